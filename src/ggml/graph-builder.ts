import { TENSOR_LAYOUT } from "./layout.ts";
import type { Native } from "./library.ts";
import { view } from "./memory.ts";
import type { Address, Context, Graph, NativeBuffer, Tensor } from "./signatures.ts";

/** Accumulate in f32 where the library would choose f16, as llama.cpp asks for attention. */
const PRECISION_F32 = 10;
/** The library's numbers for {@link Rope.mode}. */
const ROPE_MODES = { adjacent: 0, halves: 2 } as const;
/** Smallest normal f16: keeps the sum of gate weights from dividing by zero, as llama.cpp does. */
const SMALLEST_F16 = 6.103515625e-5;

const F32_BYTES = 4;

/** Rotary position embedding (Su et al., 2021), and its stretching to longer contexts by YaRN (Peng et al., 2023). */
export interface Rope {
  /** What is rotated together: (x[2i], x[2i + 1]), or (x[i], x[i + d/2]) as GPT-NeoX does. */
  readonly mode: keyof typeof ROPE_MODES;
  /** Columns that are rotated. */
  readonly dimensions: number;
  /** The first of them; they are the last columns then. 0 by default. */
  readonly offset?: number;
  readonly base: number;
  readonly trainedContext: number;
  /** 1 / how many times longer contexts are. */
  readonly frequencyScale: number;
  /** YaRN: 1 mixes interpolated and original frequencies, 0 interpolates all. */
  readonly extrapolation: number;
  readonly magnitude: number;
  /** YaRN: rotations in the trained context above and below which frequencies are original or interpolated. */
  readonly betaFast: number;
  readonly betaSlow: number;
}

/** How attention scores positions. */
export interface Scores {
  /** [cached, tokens] f16, added */
  readonly mask: Tensor;
  readonly scale: number;
  /** A score for each head that takes probability from the positions: [heads] */
  readonly sinks?: Tensor | undefined;
}

/**
 * Records operations into one graph. Methods are named after the operation and return the result's tensor; nothing is
 * computed yet. Dimensions are in ggml's order, fastest first: a matrix `[columns, rows]`.
 *
 * Holds the descriptors of its tensors (not their data): dispose it when the graph will not run again.
 */
export class GraphBuilder implements Disposable {
  readonly graph: Graph;
  readonly #ggml: Native["ggml"];
  readonly #context: Context;
  readonly #contextBytes: number;
  readonly #base: Address;
  /** The memory in which the library keeps the descriptors of this builder's tensors; not every graph asks for it. */
  #descriptors: DataView | undefined;

  /** `nodes`: upper bound of operations recorded; the library aborts the process beyond it. */
  constructor(native: Native, nodes: number) {
    this.#ggml = native.ggml;
    const tensors = Number(native.ggml.ggml_tensor_overhead()) * 2 * nodes;
    const graph = Number(native.ggml.ggml_graph_overhead_custom(nodes, false));
    this.#contextBytes = tensors + graph;
    this.#context = native.ggml.ggml_init({ mem_size: this.#contextBytes, mem_buffer: null, no_alloc: true });
    this.#base = native.ggml.ggml_get_mem_buffer(this.#context);
    this.graph = native.ggml.ggml_new_graph_custom(this.#context, nodes, false);
  }

  /** Fixes where a result is written, so that it outlives this graph. Call before the graph is allocated. */
  pin(result: Tensor, buffer: NativeBuffer, address: Address): Tensor {
    this.#ggml.ggml_backend_tensor_alloc(buffer, result, address);
    return result;
  }

  /** Makes the graph compute this tensor, after everything expanded before it. */
  expand(result: Tensor): Tensor {
    this.#ggml.ggml_build_forward_expand(this.graph, result);
    return result;
  }

  add(a: Tensor, b: Tensor): Tensor {
    return this.#ggml.ggml_add(this.#context, a, b);
  }

  multiply(a: Tensor, b: Tensor): Tensor {
    return this.#ggml.ggml_mul(this.#context, a, b);
  }

  /** `weight` [in, out] · `x` [in, rows] → [out, rows] */
  matmul(weight: Tensor, x: Tensor): Tensor {
    return this.#ggml.ggml_mul_mat(this.#context, weight, x);
  }

  /** `stack` [in, out, experts], `x` [in, 1 or k, tokens], `ids` [k, tokens] → [out, k, tokens] */
  matmulExperts(stack: Tensor, x: Tensor, ids: Tensor): Tensor {
    return this.#ggml.ggml_mul_mat_id(this.#context, stack, x, ids);
  }

  /** x / rms(x), along the first dimension */
  rmsNorm(x: Tensor, epsilon: number): Tensor {
    return this.#ggml.ggml_rms_norm(this.#context, x, epsilon);
  }

  /** (x − mean) / deviation, along the first dimension */
  layerNorm(x: Tensor, epsilon: number): Tensor {
    return this.#ggml.ggml_norm(this.#context, x, epsilon);
  }

  divide(a: Tensor, b: Tensor): Tensor {
    return this.#ggml.ggml_div(this.#context, a, b);
  }

  scale(x: Tensor, factor: number): Tensor {
    return this.#ggml.ggml_scale(this.#context, x, factor);
  }

  sigmoid(x: Tensor): Tensor {
    return this.#ggml.ggml_sigmoid(this.#context, x);
  }

  silu(x: Tensor): Tensor {
    return this.#ggml.ggml_silu(this.#context, x);
  }

  gelu(x: Tensor): Tensor {
    return this.#ggml.ggml_gelu(this.#context, x);
  }

  softmax(x: Tensor): Tensor {
    return this.#ggml.ggml_soft_max(this.#context, x);
  }

  /** silu(first half) · second half of every row: [2n, …] → [n, …] */
  swiglu(x: Tensor): Tensor {
    return this.#ggml.ggml_swiglu(this.#context, x);
  }

  /** silu(gate) · up */
  swigluSplit(gate: Tensor, up: Tensor): Tensor {
    return this.#ggml.ggml_swiglu_split(this.#context, gate, up);
  }

  /** gpt-oss's gated activation: both are clamped to 7, gate · sigmoid(1.702 · gate) · (up + 1) */
  swigluClamped(gate: Tensor, up: Tensor): Tensor {
    return this.#ggml.ggml_swiglu_oai(this.#context, gate, up, 1.702, 7);
  }

  /** Adds to every row [out, k, tokens] the bias of its expert: `biases` [out, experts], `ids` [k, tokens] */
  addExperts(rows: Tensor, biases: Tensor, ids: Tensor): Tensor {
    return this.#ggml.ggml_add_id(this.#context, rows, biases, ids);
  }

  /** Divides every row by its sum. */
  normaliseRows(x: Tensor): Tensor {
    const sum = this.#ggml.ggml_sum_rows(this.#context, x);
    return this.divide(x, this.#ggml.ggml_clamp(this.#context, sum, SMALLEST_F16, Infinity));
  }

  /** Row-wise indices of the `k` largest, largest first: a view of the full sort, whose rows are `[all indices]`. */
  topK(x: Tensor, k: number): Tensor {
    return this.#ggml.ggml_argsort_top_k(this.#context, x, k);
  }

  /** Rows of `x` named by `rows` (i32). */
  getRows(x: Tensor, rows: Tensor): Tensor {
    return this.#ggml.ggml_get_rows(this.#context, x, rows);
  }

  /** Writes the rows of `values` into `target` at `rows` (i64). */
  setRows(target: Tensor, values: Tensor, rows: Tensor): Tensor {
    return this.#ggml.ggml_set_rows(this.#context, target, values, rows);
  }

  /**
   * Scores [experts, tokens] with all but the best groups of neighbouring experts at −∞. A group is as good as its two
   * best experts together.
   */
  bestGroups(scores: Tensor, { experts, count, used }: { experts: number; count: number; used: number }): Tensor {
    const tokens = this.#shape(scores)[1];
    const groups = this.reshape3d(scores, experts / count, count, tokens);
    const flat = this.#ggml.ggml_reshape_4d(this.#context, groups, 1, experts / count, count, tokens);
    const best = this.getRows(flat, this.topK(groups, 2)); // [1, 2, count, tokens]
    const sums = this.#ggml.ggml_sum_rows(this.#context, this.reshape3d(best, 2, count, tokens));
    const chosen = this.topK(this.reshape2d(sums, count, tokens), used); // [used, tokens]
    const kept = this.getRows(groups, chosen); // [experts / count, used, tokens]
    const none = this.#ggml.ggml_fill(this.#context, groups, -Infinity);
    return this.reshape2d(this.setRows(none, kept, chosen), experts, tokens);
  }

  /** `factors` divide the frequencies: [dimensions / 2] */
  rope(x: Tensor, positions: Tensor, rope: Rope, factors?: Tensor): Tensor {
    const { dimensions, mode, trainedContext, base, frequencyScale, extrapolation, magnitude, offset = 0 } = rope;
    const { betaFast, betaSlow } = rope;
    const rotated = this.#ggml.ggml_rope_ext(
      ...([this.#context, x, positions, factors ?? null, dimensions, ROPE_MODES[mode], trainedContext] as const),
      ...([base, frequencyScale, extrapolation, magnitude, betaFast, betaSlow] as const),
    );
    return offset === 0 ? rotated : this.#ggml.ggml_rope_set_offset(rotated, offset);
  }

  /** `q` [d, heads, tokens], `k` and `v` [d, kvHeads, cached] → [d of v, heads, tokens] */
  attention(q: Tensor, k: Tensor, v: Tensor, scores: Scores): Tensor {
    const swap = (x: Tensor): Tensor => this.swapHeads(x);
    return this.#flashAttention(swap(q), swap(k), swap(v), scores);
  }

  #flashAttention(q: Tensor, k: Tensor, v: Tensor, { mask, scale, sinks }: Scores): Tensor {
    const result = this.#ggml.ggml_flash_attn_ext(this.#context, q, k, v, mask, scale, 0, 0);
    if (sinks !== undefined) this.#ggml.ggml_flash_attn_ext_add_sinks(result, sinks);
    this.#ggml.ggml_prec_set_acc(result, PRECISION_F32);
    return result;
  }

  /** [d, heads, tokens] ↔ [d, tokens, heads], without a copy */
  swapHeads(x: Tensor): Tensor {
    return this.#ggml.ggml_permute(this.#context, x, 0, 2, 1, 3);
  }

  /** The same numbers one behind the other, in memory of their own. */
  contiguous(x: Tensor): Tensor {
    return this.#ggml.ggml_cont(this.#context, x);
  }

  /** Columns of both: [a, …] and [b, …] → [a + b, …] */
  concat(a: Tensor, b: Tensor): Tensor {
    return this.#ggml.ggml_concat(this.#context, a, b, 0);
  }

  /** One head for all: [width, 1, tokens] → [width, heads, tokens] */
  repeatHead(x: Tensor, heads: number): Tensor {
    const [width, , tokens] = this.#shape(x);
    return this.#ggml.ggml_repeat_4d(this.#context, x, width, heads, tokens, 1);
  }

  /** [width · heads, tokens] → [width, heads, tokens] */
  splitHeads(x: Tensor, width: number, heads: number): Tensor {
    return this.reshape3d(x, width, heads, this.#shape(x)[1]);
  }

  /** [width, heads, tokens] → [width · heads, tokens] */
  joinHeads(x: Tensor): Tensor {
    const [width, heads, tokens] = this.#shape(x);
    return this.reshape2d(x, width * heads, tokens);
  }

  /** Heads that lie side by side, without a copy: [width, heads, tokens] → [width · heads, tokens] */
  besideHeads(x: Tensor): Tensor {
    const [width, heads, tokens] = this.#shape(x);
    return this.view2d(x, [width * heads, tokens], this.#strides(x)[1], 0);
  }

  /** Some heads of stacked ones, without a copy: [all heads · width, tokens] → [width, heads, tokens] */
  headsAt(x: Tensor, { headWidth, heads, first }: { headWidth: number; heads: number; first: number }): Tensor {
    const [columns, tokens] = this.#shape(x);
    const shape = [headWidth, heads, tokens] as const;
    return this.view3d(x, shape, [headWidth * F32_BYTES, columns * F32_BYTES], first * headWidth * F32_BYTES);
  }

  /** Some columns of every head, without a copy: [width, heads, tokens] → [count, heads, tokens] */
  headColumns(x: Tensor, count: number, first: number): Tensor {
    const [, heads, tokens] = this.#shape(x);
    return this.view3d(x, [count, heads, tokens], this.#strides(x), first * F32_BYTES);
  }

  /** Some columns as a single head, without a copy: [all, tokens] → [count, 1, tokens] */
  columnsAsHead(x: Tensor, count: number, first: number): Tensor {
    const [, tokens] = this.#shape(x);
    const stride = this.#rowStride(x);
    return this.view3d(x, [count, 1, tokens], [stride, stride], first * F32_BYTES);
  }

  /** Some columns, without a copy: [all, rows] → [count, rows] */
  columnsAt(x: Tensor, count: number, first: number): Tensor {
    const [columns, rows] = this.#shape(x);
    return this.view2d(x, [count, rows], columns * F32_BYTES, first * F32_BYTES);
  }

  /** [columns, rows] → [columns, count], without a copy; rows may be apart. */
  firstRows(x: Tensor, count: number): Tensor {
    return this.view2d(x, [this.#shape(x)[0], count], this.#rowStride(x), 0);
  }

  /** [columns, rows] → one row [columns, 1], without a copy */
  rowAt(x: Tensor, row: number): Tensor {
    const stride = this.#rowStride(x);
    return this.view2d(x, [this.#shape(x)[0], 1], stride, row * stride);
  }

  /** x [n, tokens], chosen [k, tokens] → the chosen values [k, tokens] */
  pick(x: Tensor, chosen: Tensor, n: number, k: number): Tensor {
    const tokens = this.#shape(x)[1];
    return this.reshape2d(this.getRows(this.reshape3d(x, 1, n, tokens), chosen), k, tokens);
  }

  /**
   * {@link attention} of a single token, q [d, heads, 1], with the key heads as a batch. The kernel then gives every head
   * to one thread; otherwise it cuts a long cache by the number of threads, which shows in the last bits.
   */
  attentionByHead(q: Tensor, k: Tensor, v: Tensor, scores: Scores): Tensor {
    const [width, heads] = this.#shape(q);
    const keyHeads = this.#shape(k)[1];
    const groups = this.#ggml.ggml_reshape_4d(this.#context, q, width, heads / keyHeads, keyHeads, 1);
    const queries = this.#ggml.ggml_permute(this.#context, groups, 0, 2, 3, 1); // [d, 1, heads / keyHeads, keyHeads]
    const batched = (x: Tensor): Tensor => this.#ggml.ggml_permute(this.#context, x, 0, 3, 1, 2); // [d, cached, 1, keyHeads]
    const result = this.#flashAttention(queries, batched(k), batched(v), scores);
    return this.reshape3d(result, this.#shape(v)[0], heads, 1);
  }

  reshape2d(x: Tensor, n0: number, n1: number): Tensor {
    return this.#ggml.ggml_reshape_2d(this.#context, x, n0, n1);
  }

  reshape3d(x: Tensor, n0: number, n1: number, n2: number): Tensor {
    return this.#ggml.ggml_reshape_3d(this.#context, x, n0, n1, n2);
  }

  /** Strides and offset in bytes. */
  view1d(x: Tensor, n0: number, offset: number): Tensor {
    return this.#ggml.ggml_view_1d(this.#context, x, n0, offset);
  }

  view2d(x: Tensor, shape: readonly [number, number], stride: number, offset: number): Tensor {
    return this.#ggml.ggml_view_2d(this.#context, x, ...shape, stride, offset);
  }

  view3d(
    x: Tensor,
    shape: readonly [number, number, number],
    strides: readonly [number, number],
    offset: number,
  ): Tensor {
    return this.#ggml.ggml_view_3d(this.#context, x, ...shape, ...strides, offset);
  }

  /** Of a tensor this builder made: read from its descriptor, 50 times faster than by a call. */
  #shape(x: Tensor): readonly [number, number, number] {
    const at = x - this.#base + TENSOR_LAYOUT.ne;
    return [this.#read(at), this.#read(at + 8n), this.#read(at + 16n)];
  }

  /** Bytes from one row to the next. */
  #rowStride(x: Tensor): number {
    return this.#strides(x)[0];
  }

  /** Bytes from one row to the next, and from one matrix to the next. */
  #strides(x: Tensor): readonly [number, number] {
    const at = x - this.#base + TENSOR_LAYOUT.nb;
    return [this.#read(at + 8n), this.#read(at + 16n)];
  }

  #read(offset: bigint): number {
    this.#descriptors ??= new DataView(view(this.#base, this.#contextBytes));
    return Number(this.#descriptors.getBigInt64(Number(offset), true));
  }

  [Symbol.dispose](): void {
    this.#ggml.ggml_free(this.#context);
  }
}
