import type { GraphBuilder, Rope } from "../ggml/graph-builder.ts";
import type { Tensor } from "../ggml/signatures.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { TensorInfo } from "../gguf/tensor-table.ts";

/** The numbers that shape a model's graphs. */
export interface HyperParameters {
  readonly layers: number;
  /** Width of a hidden state. */
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
  readonly experts: number;
  /** Top-k: experts a token is routed to in every MoE layer. */
  readonly expertsPerToken: number;
  readonly sharedExperts: number;
  /** Width inside one expert. */
  readonly expertWidth: number;
  readonly vocabulary: number;
  /** Tokens the model was trained on at once. */
  readonly contextLength: number;
  readonly epsilon: number;
  readonly rope: Rope;
}

/** A non-expert weight as the engine loads it: one or several tensors of the file, stacked row upon row. */
export interface WeightSpec {
  readonly name: string;
  readonly parts: readonly TensorInfo[];
  /** `matmul`: may be repacked for the processor's kernels. `lookup`, `vector`: kept as stored. */
  readonly use: "matmul" | "lookup" | "vector";
}

/** The file's stacked expert tensors of one layer, shapes `[in, out, experts]`. */
export interface ExpertTensors {
  readonly gate: TensorInfo;
  readonly up: TensorInfo;
  readonly down: TensorInfo;
}

/**
 * One or all experts of a layer, loaded. Gate and up are stacked into one matrix when they have the same type: same
 * numbers, half the passes over the input.
 */
export type ExpertWeights =
  | { readonly kind: "fused"; readonly gateUp: Tensor; readonly down: Tensor }
  | { readonly kind: "separate"; readonly gate: Tensor; readonly up: Tensor; readonly down: Tensor };

/** One layer, as the graph builders see it. */
export interface LayerScope {
  readonly hyper: HyperParameters;
  readonly layer: number;
  /** A loaded non-expert weight; `undefined` if the model has none of that name. */
  weight(name: string): Tensor | undefined;
}

export interface QueryKeyValue {
  /** [headWidth, heads, tokens] */
  readonly q: Tensor;
  /** [headWidth, kvHeads, tokens], positions applied */
  readonly k: Tensor;
  /** [headWidth · kvHeads, tokens] */
  readonly v: Tensor;
}

export interface CachedAttention {
  readonly q: Tensor;
  /** [headWidth, kvHeads, cached] */
  readonly k: Tensor;
  readonly v: Tensor;
  /** [cached, tokens] f16: 0 where a token may look, −∞ elsewhere */
  readonly mask: Tensor;
  /** Tokens that count; q and mask may have more rows to fill the kernel's tile. */
  readonly tokens: number;
  /** One token, every head on one thread: bits that do not depend on the number of threads. */
  readonly byHead: boolean;
}

export interface Gate {
  /** What the experts read: [hidden, tokens] */
  readonly input: Tensor;
  /** Chosen experts, most probable first: [k, tokens], a view of the full sort. */
  readonly chosen: Tensor;
  /** Their weights in the sum: [k, tokens] */
  readonly weights: Tensor;
}

/**
 * A model family: how its file is read and its graphs are built. One file each; `registry.ts` lists them. The builders
 * record the same operations in the same order as llama.cpp, so that the numbers are the same bit for bit.
 */
export interface Architecture {
  /** `general.architecture` of its files. */
  readonly name: string;
  /** @throws MODEL_METADATA_INVALID */
  hyperParameters(file: GgufFile): HyperParameters;
  /** @throws MODEL_TENSOR_INVALID when a tensor is missing or has another shape */
  weights(file: GgufFile, hyper: HyperParameters): readonly WeightSpec[];
  /** The expert tensors, by layer. @throws MODEL_TENSOR_INVALID */
  experts(file: GgufFile, hyper: HyperParameters): readonly ExpertTensors[];

  /** tokens → [hidden, tokens] */
  embed(g: GraphBuilder, weight: LayerScope["weight"], tokens: Tensor): Tensor;
  /** Hidden states → queries, keys and values. */
  project(g: GraphBuilder, scope: LayerScope, x: Tensor, positions: Tensor): QueryKeyValue;
  /** Attention over the cache and its output projection, without the residual: [hidden, tokens] */
  attend(g: GraphBuilder, scope: LayerScope, cached: CachedAttention): Tensor;
  /** h = residual stream after attention. */
  gate(g: GraphBuilder, scope: LayerScope, h: Tensor): Gate;
  /** Experts chosen by `ids` [k, tokens] out of a stack, applied to x [hidden, 1, tokens] → rows [hidden, k, tokens] */
  chosenExperts(g: GraphBuilder, stack: ExpertWeights, x: Tensor, ids: Tensor): Tensor;
  /** One expert applied to x [hidden, rows] → [hidden, rows] */
  oneExpert(g: GraphBuilder, expert: ExpertWeights, x: Tensor): Tensor;
  /** [hidden, tokens] → logits [vocabulary, tokens] */
  head(g: GraphBuilder, weight: LayerScope["weight"], x: Tensor, hyper: HyperParameters): Tensor;
}

/** Upper bound of operations one layer records, with room for views. */
export const NODES_PER_LAYER = 96;

/** Multiplications of one layer for one token: projections, attention output and chosen experts. */
export function multiplicationsPerToken({
  hidden,
  heads,
  kvHeads,
  headWidth,
  expertsPerToken,
  expertWidth,
}: HyperParameters): number {
  const attention = hidden * headWidth * 2 * (heads + kvHeads);
  return attention + expertsPerToken * 3 * hidden * expertWidth;
}

/** Multiplications of a token: about half a millisecond of one core. */
const SMALL_TOKEN = 2e7;

/** A model of so little work that handing it from thread to thread costs as much as doing it. */
export function isSmallModel(hyper: HyperParameters): boolean {
  const head = hyper.hidden * hyper.vocabulary;
  return hyper.layers * multiplicationsPerToken(hyper) + head < SMALL_TOKEN;
}
