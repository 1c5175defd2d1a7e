import { loadNative } from "../../ggml/library.ts";
import { type GgufFile, readGguf } from "../../gguf/read.ts";
import { GgmlType } from "../../gguf/types.ts";
import { type GgufContent, type TensorSource, writeGguf } from "../../gguf/write.ts";
import { SYNTH_QUANTS, type SynthQuantName } from "../../model/synth-quants.ts";
import { SYNTH_SHAPES, type SynthShape } from "../../model/synth-shapes.ts";
import { synthTensors } from "../../model/synth-tensors.ts";
import { synthVocabulary } from "../../model/synth-vocabulary.ts";
import { SynthWeights } from "../../model/synth-weights.ts";

export interface TestModelOptions {
  readonly path: string;
  /** What differs from the shape `tiny`. */
  readonly shape?: Partial<SynthShape>;
  readonly quant?: SynthQuantName;
  readonly seed?: number;
  /** Weights by hand, as F32: gets a tensor's name without `.weight`; undefined keeps the random ones. */
  readonly weights?: (name: string, shape: readonly number[]) => Float32Array | undefined;
}

/** Writes a model of any shape, with random weights or weights made by hand. */
export function writeTestModel({ path, shape, quant = "F32", seed = 1, weights }: TestModelOptions): GgufFile {
  const full: SynthShape = { ...SYNTH_SHAPES.tiny, ...shape };
  const random = synthTensors(new SynthWeights(loadNative(), seed), full, SYNTH_QUANTS[quant]);
  const tensors = random.map((tensor) => byHand(tensor, weights));
  writeGguf(path, { metadata: [...describe(full), ...synthVocabulary(full.vocabulary)], tensors });
  return readGguf(path);
}

function byHand(tensor: TensorSource, weights: TestModelOptions["weights"]): TensorSource {
  const values = weights?.(tensor.name.replace(/\.weight$/, ""), tensor.shape);
  if (values === undefined) return tensor;
  return { ...tensor, type: GgmlType.F32, data: () => [new Uint8Array(values.buffer)] };
}

function describe(shape: SynthShape): GgufContent["metadata"] {
  const count = (key: string, value: number) => [`qwen3moe.${key}`, { type: "uint32", value }] as const;
  const real = (key: string, value: number) => [`qwen3moe.${key}`, { type: "float32", value }] as const;
  return [
    ["general.architecture", { type: "string", value: "qwen3moe" }],
    count("block_count", shape.layers),
    count("context_length", shape.contextLength),
    count("embedding_length", shape.hidden),
    count("feed_forward_length", shape.expertWidth * shape.expertsPerToken),
    count("expert_feed_forward_length", shape.expertWidth),
    count("attention.head_count", shape.heads),
    count("attention.head_count_kv", shape.kvHeads),
    count("attention.key_length", shape.headWidth),
    count("attention.value_length", shape.headWidth),
    count("expert_count", shape.experts),
    count("expert_used_count", shape.expertsPerToken),
    real("attention.layer_norm_rms_epsilon", 1e-6),
    real("rope.freq_base", 10_000),
  ];
}
