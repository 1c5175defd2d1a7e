import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import { type TensorShape, TensorStore, tensorAddress, view } from "../ggml/memory.ts";
import type { BufferType, Tensor } from "../ggml/signatures.ts";
import { GgmlType } from "../gguf/types.ts";
import type { HyperParameters, QueryKeyValue } from "../model/architecture.ts";

/** Attention reads the cache in steps of this many positions, so that a graph serves that many tokens. */
const STEP = 256;
const F16_BYTES = 2;

/** Keys and values of every block, f16, one row a position: what a sequence has seen so far. */
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

  /** Bytes one position takes over all blocks. */
  get bytesPerToken(): number {
    return this.#store.tensors.reduce((sum, _, i) => sum + this.#rowBytes(i), 0);
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
    for (const [i, tensor] of this.#store.tensors.entries()) {
      const first = tensorAddress(tensor) + BigInt(this.#clearedRows * this.#rowBytes(i));
      new Uint8Array(view(first, (rows - this.#clearedRows) * this.#rowBytes(i))).fill(0);
    }
    this.#clearedRows = rows;
  }

  /** Records the writing of keys and values of the first `count` tokens at `positions` (i64, [count]). */
  write(g: GraphBuilder, block: number, { k, v }: QueryKeyValue, positions: Tensor, count: number): void {
    const { keys, values } = this.#of(block);
    g.expand(g.setRows(keys, g.firstRows(g.joinHeads(k), count), positions));
    if (v !== null) g.expand(g.setRows(values, g.firstRows(v, count), positions));
  }

  /** The first `span` positions, as attention reads them: [width, kvHeads, span] */
  read(g: GraphBuilder, block: number, span: number): { readonly k: Tensor; readonly v: Tensor } {
    const { keyWidth, valueWidth, valuesInKeys, kvHeads } = this.#hyper;
    const { keys, values } = this.#of(block);
    const heads = (x: Tensor, width: number, headWidth: number): Tensor =>
      g.view3d(x, [width, kvHeads, span], [headWidth * F16_BYTES, kvHeads * headWidth * F16_BYTES], 0);
    return { k: heads(keys, keyWidth, keyWidth), v: heads(values, valueWidth, valuesInKeys ? keyWidth : valueWidth) };
  }

  /** Of the cache's `i`-th tensor. */
  #rowBytes(i: number): number {
    const { kvHeads, keyWidth, valueWidth, valuesInKeys } = this.#hyper;
    return kvHeads * (valuesInKeys || i % 2 === 0 ? keyWidth : valueWidth) * F16_BYTES;
  }

  #of(block: number): { readonly keys: Tensor; readonly values: Tensor } {
    const { tensors } = this.#store;
    if (this.#hyper.valuesInKeys) return { keys: tensors[block] as Tensor, values: tensors[block] as Tensor };
    return { keys: tensors[2 * block] as Tensor, values: tensors[2 * block + 1] as Tensor };
  }

  [Symbol.dispose](): void {
    this.#store[Symbol.dispose]();
  }
}

/** Positions attention looks at for a sequence of `length`. */
export function cacheSpan(length: number): number {
  return Math.ceil(length / STEP) * STEP;
}

/** Keys of every block, and values if they are apart, with the spare row: [kvHeads · width, positions] each */
export function cacheTensors(hyper: HyperParameters, contextLength: number): TensorShape[] {
  const { blocks, kvHeads, keyWidth, valueWidth, valuesInKeys } = hyper;
  const widths = valuesInKeys ? [keyWidth] : [keyWidth, valueWidth];
  const tensors = widths.map((width) => ({
    type: GgmlType.F16,
    shape: [kvHeads * width, cacheSpan(contextLength) + 1],
  }));
  return Array.from({ length: blocks }, () => tensors).flat();
}
