import { remoeError } from "../core/errors.ts";
import { loadNative } from "../ggml/library.ts";
import { TYPE_TRAITS } from "../gguf/types.ts";
import { type GgufContent, writeGguf } from "../gguf/write.ts";
import { SYNTH_QUANTS, type SynthQuant, type SynthQuantName } from "./synth-quants.ts";
import { SYNTH_SHAPES, type SynthShape, type SynthShapeName } from "./synth-shapes.ts";
import { synthTensors } from "./synth-tensors.ts";
import { synthVocabulary } from "./synth-vocabulary.ts";
import { SynthWeights } from "./synth-weights.ts";

export interface SynthOptions {
  readonly shape: SynthShapeName;
  readonly quant: SynthQuantName;
  /** Defaults to the shape's own. */
  readonly layers?: number | undefined;
  /** Any safe integer. Same seed, same file. */
  readonly seed: number;
  /** Of the file to write; one that is there is replaced. */
  readonly path: string;
}

const ARCHITECTURE = "qwen3moe";

/**
 * Writes a model file with the shape of a real model and random weights, for measurements and tests: its computations
 * cost what the real model's cost, its text means nothing. Holds less than 200 MB of memory whatever the size.
 * @returns the size of the file in bytes
 * @throws MODEL_SHAPE_UNFIT when the quant's blocks do not fit the shape's rows; what `writeGguf` and `loadNative` throw
 */
export function synthesiseModel(options: SynthOptions): number {
  const { layers, seed, path } = options;
  const quant = SYNTH_QUANTS[options.quant];
  const named: SynthShape = SYNTH_SHAPES[options.shape];
  const shape: SynthShape = { ...named, layers: layers ?? named.layers };
  requireFit(options, shape, quant);
  return writeGguf(path, {
    metadata: [...describe(options, shape, quant), ...synthVocabulary(shape.vocabulary)],
    tensors: synthTensors(new SynthWeights(loadNative(), seed), shape, quant),
  });
}

function requireFit({ shape: name, quant: quantName }: SynthOptions, shape: SynthShape, quant: SynthQuant): void {
  const blockElements = Math.max(...[quant.weights, quant.output].map((type) => TYPE_TRAITS[type].blockElements));
  const unfit = [shape.hidden, shape.heads * shape.headWidth, shape.expertWidth].find(
    (columns) => columns % blockElements !== 0,
  );
  if (unfit !== undefined) {
    throw remoeError("MODEL_SHAPE_UNFIT", { shape: name, quant: quantName, columns: unfit, blockElements });
  }
}

function describe({ shape: name, seed }: SynthOptions, shape: SynthShape, quant: SynthQuant): GgufContent["metadata"] {
  const text = (key: string, value: string) => [key, { type: "string", value }] as const;
  const count = (key: string, value: number) => [key, { type: "uint32", value }] as const;
  const real = (key: string, value: number) => [key, { type: "float32", value }] as const;
  return [
    text("general.architecture", ARCHITECTURE),
    text("general.name", `${name} with random weights`),
    text(
      "general.description",
      `Random weights (seed ${seed}) in the shape of ${name}, as architecture ${ARCHITECTURE}`,
    ),
    count("general.file_type", quant.fileType),
    count("general.quantization_version", 2),
    count(`${ARCHITECTURE}.block_count`, shape.layers),
    count(`${ARCHITECTURE}.context_length`, shape.contextLength),
    count(`${ARCHITECTURE}.embedding_length`, shape.hidden),
    count(`${ARCHITECTURE}.feed_forward_length`, shape.expertWidth * shape.expertsPerToken),
    count(`${ARCHITECTURE}.attention.head_count`, shape.heads),
    count(`${ARCHITECTURE}.attention.head_count_kv`, shape.kvHeads),
    count(`${ARCHITECTURE}.attention.key_length`, shape.headWidth),
    count(`${ARCHITECTURE}.attention.value_length`, shape.headWidth),
    real(`${ARCHITECTURE}.attention.layer_norm_rms_epsilon`, 1e-6),
    real(`${ARCHITECTURE}.rope.freq_base`, 1_000_000),
    count(`${ARCHITECTURE}.expert_count`, shape.experts),
    count(`${ARCHITECTURE}.expert_used_count`, shape.expertsPerToken),
    count(`${ARCHITECTURE}.expert_feed_forward_length`, shape.expertWidth),
  ];
}
