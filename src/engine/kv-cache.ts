import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import { type TensorShape, TensorStore, tensorAddress, view } from "../ggml/memory.ts";
import type { BufferType, Tensor } from "../ggml/signatures.ts";
import { GgmlType } from "../gguf/types.ts";
import type { HyperParameters, QueryKeyValue } from "../model/architecture.ts";

/** Attention reads the cache in steps of this many positions, so that a graph serves that many tokens. */
const STEP = 256;
const F16_BYTES = 2;

/** Keys and values of every layer, f16, one row a position: what a sequence has seen so far. */
export class KvCache implements Disposable {
  readonly contextLength: number;
  readonly #hyper: HyperParameters;
  readonly #store: TensorStore;
  readonly #host: boolean;
  #clearedRows = 0;

  constructor(
    native: Native,
    hyper: HyperParameters,
    { contextLength, type }: { contextLength: number; type: BufferType },
  ) {
    this.#hyper = hyper;
    this.contextLength = contextLength;
    this.#store = new TensorStore(native, type, cacheTensors(hyper, contextLength));
    this.#host = native.ggml.ggml_backend_buft_is_host(type);
    if (!this.#host) this.#store.clear();
  }

  /** Bytes one position takes over all layers. */
  get bytesPerToken(): number {
    return 2 * this.#hyper.layers * this.#rowBytes;
  }

  /** A row that attention never reads: where tokens that only fill a batch leave their keys and values. */
  get spareRow(): number {
    return cacheSpan(this.contextLength);
  }

  /** Positions attention looks at for a sequence of `length`: the next whole step. */
  span(length: number): number {
    return cacheSpan(length);
  }

  /**
   * Makes the first `rows` positions safe to read: masked positions are multiplied by zero, and zero times the garbage
   * of fresh memory may be NaN. Memory is touched only as a sequence grows into it.
   */
  prepare(rows: number): void {
    if (!this.#host || rows <= this.#clearedRows) return;
    const [first, bytes] = [this.#clearedRows * this.#rowBytes, (rows - this.#clearedRows) * this.#rowBytes];
    for (const tensor of this.#store.tensors) {
      new Uint8Array(view(tensorAddress(tensor) + BigInt(first), bytes)).fill(0);
    }
    this.#clearedRows = rows;
  }

  /** Records the writing of keys and values of the first `count` tokens at `positions` (i64, [count]). */
  write(g: GraphBuilder, layer: number, { k, v }: QueryKeyValue, positions: Tensor, count: number): void {
    g.expand(g.setRows(this.#keys(layer), g.firstRows(g.joinHeads(k), count), positions));
    g.expand(g.setRows(this.#values(layer), g.firstRows(v, count), positions));
  }

  /** The first `span` positions, as attention reads them: [headWidth, kvHeads, span] */
  read(g: GraphBuilder, layer: number, span: number): { readonly k: Tensor; readonly v: Tensor } {
    const { headWidth, kvHeads } = this.#hyper;
    const heads = (x: Tensor): Tensor =>
      g.view3d(x, [headWidth, kvHeads, span], [headWidth * F16_BYTES, this.#rowBytes], 0);
    return { k: heads(this.#keys(layer)), v: heads(this.#values(layer)) };
  }

  get #rowBytes(): number {
    return this.#hyper.kvHeads * this.#hyper.headWidth * F16_BYTES;
  }

  #keys(layer: number): Tensor {
    return this.#store.tensors[2 * layer] as Tensor;
  }

  #values(layer: number): Tensor {
    return this.#store.tensors[2 * layer + 1] as Tensor;
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}

/** Positions attention looks at for a sequence of `length`. */
export function cacheSpan(length: number): number {
  return Math.ceil(length / STEP) * STEP;
}

/** Keys and values of every layer, with the spare row: [kvHeads · headWidth, positions] each */
export function cacheTensors({ layers, kvHeads, headWidth }: HyperParameters, contextLength: number): TensorShape[] {
  const tensor = { type: GgmlType.F16, shape: [kvHeads * headWidth, cacheSpan(contextLength) + 1] };
  return Array<TensorShape>(2 * layers).fill(tensor);
}
