import { TENSOR_LAYOUT } from "./layout.ts";
import type { Native } from "./library.ts";
import { view } from "./memory.ts";
import type { Address, Context, Graph, NativeBuffer, Tensor } from "./signatures.ts";

/** Accumulate in f32 where the library would choose f16, as llama.cpp asks for attention. */
const PRECISION_F32 = 10;
/** Rotary embedding that rotates (x[i], x[i + d/2]), as GPT-NeoX does. */
const ROPE_NEOX = 2;
/** Smallest normal f16: keeps the sum of gate weights from dividing by zero, as llama.cpp does. */
const SMALLEST_F16 = 6.103515625e-5;

const F32_BYTES = 4;

export interface Rope {
  readonly dimensions: number;
  readonly base: number;
  readonly trainedContext: number;
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

  /** x / rms(x) · scale, along the first dimension */
  rmsNorm(x: Tensor, scale: Tensor, epsilon: number): Tensor {
    return this.#ggml.ggml_mul(this.#context, this.#ggml.ggml_rms_norm(this.#context, x, epsilon), scale);
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

  /** Divides every row by its sum. */
  normaliseRows(x: Tensor): Tensor {
    const sum = this.#ggml.ggml_clamp(
      this.#context,
      this.#ggml.ggml_sum_rows(this.#context, x),
      SMALLEST_F16,
      Infinity,
    );
    return this.#ggml.ggml_div(this.#context, x, sum);
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

  rope(x: Tensor, positions: Tensor, rope: Rope): Tensor {
    const { dimensions, base, trainedContext } = rope;
    const mode = ROPE_NEOX;
    return this.#ggml.ggml_rope_ext(
      this.#context,
      x,
      positions,
      null,
      dimensions,
      mode,
      trainedContext,
      base,
      1,
      0,
      1,
      32,
      1,
    );
  }

  /** `q` [d, heads, tokens], `k` and `v` [d, kvHeads, cached], `mask` [cached, tokens] f16 → [d, heads, tokens] */
  attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: number): Tensor {
    const swap = (x: Tensor): Tensor => this.#ggml.ggml_permute(this.#context, x, 0, 2, 1, 3);
    const result = this.#ggml.ggml_flash_attn_ext(this.#context, swap(q), swap(k), swap(v), mask, scale, 0, 0);
    this.#ggml.ggml_prec_set_acc(result, PRECISION_F32);
    return result;
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

  /** Some heads of stacked ones, without a copy: [all heads · width, tokens] → [width, heads, tokens] */
  headsAt(x: Tensor, { headWidth, heads, first }: { headWidth: number; heads: number; first: number }): Tensor {
    const [columns, tokens] = this.#shape(x);
    const shape = [headWidth, heads, tokens] as const;
    return this.view3d(x, shape, [headWidth * F32_BYTES, columns * F32_BYTES], first * headWidth * F32_BYTES);
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
  attentionByHead(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: number): Tensor {
    const [width, heads] = this.#shape(q);
    const keyHeads = this.#shape(k)[1];
    const groups = this.#ggml.ggml_reshape_4d(this.#context, q, width, heads / keyHeads, keyHeads, 1);
    const queries = this.#ggml.ggml_permute(this.#context, groups, 0, 2, 3, 1); // [d, 1, heads / keyHeads, keyHeads]
    const batched = (x: Tensor): Tensor => this.#ggml.ggml_permute(this.#context, x, 0, 3, 1, 2); // [d, cached, 1, keyHeads]
    const result = this.#ggml.ggml_flash_attn_ext(this.#context, queries, batched(k), batched(v), mask, scale, 0, 0);
    this.#ggml.ggml_prec_set_acc(result, PRECISION_F32);
    return this.reshape3d(result, width, heads, 1);
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
    return this.#read(x - this.#base + TENSOR_LAYOUT.nb + 8n);
  }

  #read(offset: bigint): number {
    this.#descriptors ??= new DataView(view(this.#base, this.#contextBytes));
    return Number(this.#descriptors.getBigInt64(Number(offset), true));
  }

  [Symbol.dispose](): void {
    this.#ggml.ggml_free(this.#context);
  }
}
