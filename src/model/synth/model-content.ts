import type { Native } from "../../ggml/library.ts";
import type { GgufContent, TensorSource } from "../../gguf/write.ts";
import type { SynthArchitecture } from "./architecture.ts";
import { nextnTensors } from "./layer-tensors.ts";
import { count, type MetadataEntry, text } from "./metadata.ts";
import type { SynthQuant } from "./quants.ts";
import { SYNTH_ARCHITECTURES } from "./registry.ts";
import type { SynthArchitectureName, SynthNumbers, SynthShape } from "./shape.ts";
import { TensorMaker } from "./tensor-maker.ts";
import { synthVocabulary } from "./vocabulary.ts";
import { SynthWeights } from "./weights.ts";

export interface ModelContentOptions {
  readonly quant: SynthQuant;
  /** Any safe integer. Same seed, same content. */
  readonly seed: number;
  /** For the file's `general.name`. */
  readonly name: string;
}

/** What a model file of a shape holds: metadata, vocabulary, and random weights that are drawn as they are written. */
export function modelContent(native: Native, shape: SynthShape, options: ModelContentOptions): GgufContent {
  // The registry pairs every name with its own architecture, which the compiler cannot follow through a union.
  const architecture = SYNTH_ARCHITECTURES[shape.architecture] as SynthArchitecture<SynthArchitectureName>;
  const weights = new SynthWeights(native, options.seed);
  return {
    metadata: [
      ...generalEntries(shape, options),
      ...[...commonEntries(shape), ...architecture.metadata(shape)].map(([key, value]) => ownKey(shape, key, value)),
      ...synthVocabulary(shape.vocabulary),
    ],
    tensors: modelTensors(weights, { architecture, shape, quant: options.quant }),
  };
}

function ownKey({ architecture }: SynthShape, key: string, value: MetadataEntry[1]): MetadataEntry {
  return [`${architecture}.${key}`, value];
}

function generalEntries({ architecture }: SynthShape, options: ModelContentOptions): readonly MetadataEntry[] {
  const { name, seed, quant } = options;
  return [
    text("general.architecture", architecture),
    text("general.name", `${name} with random weights`),
    text("general.description", `Random weights (seed ${seed}) in the shape of ${name}`),
    count("general.file_type", quant.fileType),
    count("general.quantization_version", 2),
  ];
}

/** What all architectures say of themselves. */
function commonEntries(shape: SynthNumbers): readonly MetadataEntry[] {
  const { layers, nextnLayers = 0 } = shape;
  return [
    count("block_count", layers + nextnLayers),
    ...(nextnLayers > 0 ? [count("nextn_predict_layers", nextnLayers)] : []),
    count("context_length", shape.contextLength),
    count("embedding_length", shape.hidden),
    count("attention.head_count", shape.heads),
    count("expert_count", shape.experts),
    count("expert_used_count", shape.expertsPerToken),
  ];
}

interface ModelParts {
  readonly architecture: SynthArchitecture<SynthArchitectureName>;
  readonly shape: SynthShape;
  readonly quant: SynthQuant;
}

/** In the order llama.cpp's converter writes them. */
function modelTensors(weights: SynthWeights, { architecture, shape, quant }: ModelParts): readonly TensorSource[] {
  const { layers, nextnLayers = 0 } = shape;
  const outside = new TensorMaker(weights, quant, { shape });
  const embeddingDeviation = architecture.embeddingDeviation?.(shape) ?? 1;
  const layerTensors = (layer: number) => {
    const make = new TensorMaker(weights, quant, { shape, layer });
    return [...architecture.layer(make, shape), ...(layer < layers ? [] : nextnTensors(make, shape))];
  };
  return [
    outside.embedding(embeddingDeviation),
    ...Array.from({ length: layers + nextnLayers }, (_, layer) => layerTensors(layer)).flat(),
    ...(shape.tiedHead ? tiedHead(outside, shape, embeddingDeviation) : ownHead(outside, shape)),
    ...(architecture.outside?.(outside, shape) ?? []),
  ];
}

function ownHead(make: TensorMaker, { hidden, vocabulary }: SynthNumbers): readonly TensorSource[] {
  return [make.norm("output_norm", hidden), make.matrix("output", [hidden, vocabulary])];
}

/**
 * A state is still close to its own token's embedding, which is also that token's row of the head: the model would
 * repeat its last token for ever. Factors of random signs, which the last norm alone has, keep the two apart.
 */
function tiedHead(make: TensorMaker, { hidden }: SynthNumbers, embeddingDeviation: number): readonly TensorSource[] {
  return [make.numbers("output_norm.weight", [hidden], 1 / (embeddingDeviation * Math.sqrt(hidden)))];
}
