import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Tensor } from "../ggml/signatures.ts";
import type { StackedTensor } from "../gguf/experts.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { TensorInfo } from "../gguf/tensor-table.ts";

/** The numbers that shape a model's graphs. */
export interface HyperParameters {
  /** Transformer blocks. */
  readonly blocks: number;
  /** Blocks with experts: MoE layer i is block `moeBlocks[i]`. The last block is one of them. */
  readonly moeBlocks: readonly number[];
  /** MoE layers, which is what plans, histories and predictions count. */
  readonly layers: number;
  /** Width of a hidden state. */
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Width of a query's and a key's head, as attention compares them. */
  readonly keyWidth: number;
  readonly valueWidth: number;
  /** Values are the first columns of the keys and not cached again (latent attention). */
  readonly valuesInKeys: boolean;
  /** Sliding-window attention; `null` where every block sees the whole sequence. */
  readonly window: Window | null;
  readonly experts: number;
  /** Top-k: experts a token is routed to in every MoE layer. */
  readonly expertsPerToken: number;
  readonly sharedExperts: number;
  /** Width inside one expert. */
  readonly expertWidth: number;
  /** Width inside the shared experts together; 0 without. */
  readonly sharedWidth: number;
  /** Width inside the feed-forward network of a block without experts; 0 if there is none. */
  readonly denseWidth: number;
  /** What attention and experts are multiplied with before they are added to the residual stream. */
  readonly residualScale: number;
  readonly vocabulary: number;
  /** Tokens the model was trained on at once. */
  readonly contextLength: number;
}

export interface Window {
  /** Positions a token sees, its own included. */
  readonly size: number;
  isIn(block: number): boolean;
}

/** A non-expert weight as the engine loads it: one or several tensors of the file, stacked row upon row. */
export interface WeightSpec {
  readonly name: string;
  readonly parts: readonly TensorInfo[];
  /** `matmul`: may be repacked for the processor's kernels. `lookup`, `vector`: kept as stored. */
  readonly use: "matmul" | "lookup" | "vector";
}

/** The matrices of one layer's experts in the model's files. */
export interface ExpertTensors {
  /** [in, out, experts]; `null` where experts have no gate of their own */
  readonly gate: StackedTensor | null;
  readonly up: StackedTensor;
  readonly down: StackedTensor;
  /** [out, experts] each */
  readonly biases: ExpertBiases<StackedTensor> | null;
}

export interface ExpertBiases<T> {
  readonly gate: T | null;
  readonly up: T;
  readonly down: T;
}

/**
 * One or all experts of a layer, loaded. Gate and up are stacked into one matrix where they have the same type and no
 * biases: same numbers, half the passes over the input.
 */
export type ExpertWeights =
  | { readonly kind: "fused"; readonly gateUp: Tensor; readonly down: Tensor }
  | {
      readonly kind: "separate";
      readonly gate: Tensor | null;
      readonly up: Tensor;
      readonly down: Tensor;
      readonly biases: ExpertBiases<Tensor> | null;
    };

/** Loaded non-expert weights by name. */
export interface Weights {
  /** One that the transformer's own list says is there. */
  get(name: string): Tensor;
  /** `undefined` if the model has none of that name. */
  find(name: string): Tensor | undefined;
}

/** One block, as the graph builders see it. */
export interface BlockScope {
  readonly block: number;
  /** The block's own, by their names without `blk.N.`. */
  readonly weights: Weights;
  /** Those of no block. */
  readonly model: Weights;
}

export interface QueryKeyValue {
  /** [keyWidth, heads, tokens]: the result of an operation, not a view */
  readonly q: Tensor;
  /** [keyWidth, kvHeads, tokens], positions applied */
  readonly k: Tensor;
  /** [valueWidth · kvHeads, tokens]; `null` where values are in the keys */
  readonly v: Tensor | null;
}

export interface CachedAttention {
  readonly q: Tensor;
  /** [keyWidth, kvHeads, cached] */
  readonly k: Tensor;
  /** [valueWidth, kvHeads, cached] */
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
  /** Their weights in the sum: [k, tokens], the result of an operation, not a view. */
  readonly weights: Tensor;
}

/**
 * A model as its file describes it: what to load, and how its graphs are built. The builders record the same
 * operations in the same order as llama.cpp, so that the numbers are the same bit for bit.
 */
export interface Transformer {
  readonly hyper: HyperParameters;
  /** Whether llama.cpp computes the last block for the last token alone, as nobody reads the others. */
  readonly cutsLastBlock: boolean;
  readonly weights: readonly WeightSpec[];
  /** By layer. */
  readonly experts: readonly ExpertTensors[];

  /** tokens [n], positions [n] → [hidden, n] */
  embed(g: GraphBuilder, weights: Weights, tokens: Tensor, positions: Tensor): Tensor;
  /** Hidden states → queries, keys and values. */
  project(g: GraphBuilder, scope: BlockScope, x: Tensor, positions: Tensor): QueryKeyValue;
  /** Attention over the cache and its output projection, scaled, without the residual: [hidden, tokens] */
  attend(g: GraphBuilder, scope: BlockScope, cached: CachedAttention): Tensor;
  /** A block without experts: its feed-forward network, scaled, without the residual. h = residual stream after attention. */
  dense(g: GraphBuilder, scope: BlockScope, h: Tensor): Tensor;
  /** h = residual stream after attention. */
  gate(g: GraphBuilder, scope: BlockScope, h: Tensor): Gate;
  /** The shared experts, which every token goes to: gate's input → [hidden, tokens]. `null` if there are none. */
  readonly shared: ((g: GraphBuilder, scope: BlockScope, input: Tensor) => Tensor) | null;
  /** Experts `ids` [k, tokens] by place in `stack`, applied to x [hidden, 1, tokens] → rows [hidden, k, tokens] */
  chosenExperts(g: GraphBuilder, stack: ExpertWeights, x: Tensor, ids: Tensor): Tensor;
  /** One expert applied to x [hidden, rows] → [hidden, rows] */
  oneExpert(g: GraphBuilder, expert: ExpertWeights, x: Tensor): Tensor;
  /** [hidden, tokens] → logits [vocabulary, tokens] */
  head(g: GraphBuilder, weights: Weights, x: Tensor): Tensor;
}

/** A model family: how its files are read. One file each; `registry.ts` lists them. */
export interface Architecture {
  /** `general.architecture` of its files. */
  readonly name: string;
  /**
   * @param contextLength tokens a sequence may have; some families embed positions differently in long contexts
   * @throws MODEL_METADATA_INVALID
   * @throws MODEL_TENSOR_INVALID when a tensor is missing or has another shape
   */
  read(file: GgufFile, contextLength?: number): Transformer;
}

/** Upper bound of operations one block records, with room for views. */
export const NODES_PER_BLOCK = 128;

/** Multiplications of one MoE layer's block for one token: attention's matrices, chosen and shared experts. */
export function multiplicationsPerToken(hyper: HyperParameters): number {
  const { hidden, heads, kvHeads, keyWidth, valueWidth, expertsPerToken, expertWidth, sharedWidth } = hyper;
  const attention = hidden * (heads + kvHeads) * (keyWidth + valueWidth);
  return attention + 3 * hidden * (expertsPerToken * expertWidth + sharedWidth);
}

/** Multiplications of a token: about half a millisecond of one core. */
const SMALL_TOKEN = 2e7;

/** A model of so little work that handing it from thread to thread costs as much as doing it. */
export function isSmallModel(hyper: HyperParameters): boolean {
  const head = hyper.hidden * hyper.vocabulary;
  return hyper.blocks * multiplicationsPerToken(hyper) + head < SMALL_TOKEN;
}
