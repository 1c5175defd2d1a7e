import { loadNative } from "../../ggml/library.ts";
import { type GgufFile, readGguf } from "../../gguf/read.ts";
import { GgmlType } from "../../gguf/types.ts";
import { type TensorSource, writeGguf } from "../../gguf/write.ts";
import { modelContent } from "../../model/synth/model-content.ts";
import { SYNTH_QUANTS, type SynthQuantName } from "../../model/synth/quants.ts";
import type { SynthNumbers, SynthShape } from "../../model/synth/shape.ts";
import { TINY_SHAPES, type TinyShapeName } from "../../model/synth/tiny-shapes.ts";

export interface TestModelOptions {
  readonly path: string;
  /** Which tiny model; `qwen3moe` unless given. */
  readonly architecture?: TinyShapeName;
  /** What differs from the tiny model. */
  readonly shape?: Partial<SynthNumbers>;
  readonly quant?: SynthQuantName;
  readonly seed?: number;
  /** Weights by hand, as F32: gets a tensor's name without `.weight`; undefined keeps the random ones. */
  readonly weights?: (name: string, shape: readonly number[]) => Float32Array | undefined;
}

/** Writes a model of any shape, with random weights or weights made by hand. */
export function writeTestModel(options: TestModelOptions): GgufFile {
  const { path, architecture = "qwen3moe", quant = "F32", seed = 1, weights } = options;
  const shape: SynthShape = { ...TINY_SHAPES[architecture], ...options.shape };
  const content = modelContent(loadNative(), shape, { quant: SYNTH_QUANTS[quant], seed, name: architecture });
  writeGguf(path, { ...content, tensors: content.tensors.map((tensor) => byHand(tensor, weights)) });
  return readGguf(path);
}

function byHand(tensor: TensorSource, weights: TestModelOptions["weights"]): TensorSource {
  const values = weights?.(tensor.name.replace(/\.weight$/, ""), tensor.shape);
  if (values === undefined) return tensor;
  return { ...tensor, type: GgmlType.F32, data: () => [new Uint8Array(values.buffer)] };
}
