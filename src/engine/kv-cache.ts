import type { GraphBuilder } from "../ggml/graph-builder.ts";
import type { Native } from "../ggml/library.ts";
import { type TensorShape, TensorStore, tensorAddress, view } from "../ggml/memory.ts";
import type { BufferType, Tensor } from "../ggml/signatures.ts";
import { GgmlType } from "../gguf/types.ts";
import type { HyperParameters, QueryKeyValue } from "../model/architecture.ts";
import { CacheRegions } from "./cache-regions.ts";

/** Attention reads the cache in steps of this many positions, so that a graph serves that many tokens. */
const STEP = 256;
const F16_BYTES = 2;

/** How much a cache holds. */
export interface CacheSize {
  /** Tokens a sequence may have. */
  readonly contextLength: number;
  /** Sequences there is room for at the same time. */
  readonly parallel: number;
}

/**
 * Keys and values of every block, f16, one row a position: what sequences have seen so far. All sequences share it, each
 * in a region of its own.
 */
export class KvCache implements Disposable {
  readonly contextLength: number;
  readonly parallel: number;
  readonly regions: CacheRegions;
  readonly #hyper: HyperParameters;
  readonly #store: TensorStore;
  readonly #host: boolean;
  /** By step. */
  readonly #isCleared: boolean[] = [];

  constructor(native: Native, hyper: HyperParameters, { type, ...size }: CacheSize & { readonly type: BufferType }) {
    this.#hyper = hyper;
    this.contextLength = size.contextLength;
    this.parallel = size.parallel;
    this.regions = new CacheRegions(cacheRows(size));
    this.#store = new TensorStore(native, type, cacheTensors(hyper, size));
    this.#host = native.ggml.ggml_backend_buft_is_host(type);
    if (!this.#host) this.#store.clear();
  }

  /** Bytes one position takes over all blocks. */
  get bytesPerToken(): number {
    return this.#store.tensors.reduce((sum, _, i) => sum + this.#rowBytes(i), 0);
  }

  /** A row that attention never reads: where tokens that only fill a batch leave their keys and values. */
  get spareRow(): number {
    return cacheRows(this);
  }

  /** Positions attention looks at for a sequence of `length`: the next whole step. */
  span(length: number): number {
    return cacheSpan(length);
  }

  /**
   * Makes rows safe to read: masked ones are multiplied by zero, and zero times the garbage of fresh memory may be NaN.
   * Memory is touched only as sequences grow into it.
   */
  prepare(rows: number, first = 0): void {
    if (!this.#host) return;
    for (let step = Math.floor(first / STEP); step * STEP < first + rows; step++) {
      if (this.#isCleared[step] === true) continue;
      this.#isCleared[step] = true;
      this.#clear(step * STEP);
    }
  }

  /** The rows of one step. */
  #clear(first: number): void {
    for (const [i, tensor] of this.#store.tensors.entries()) {
      const bytes = this.#rowBytes(i);
      new Uint8Array(view(tensorAddress(tensor) + BigInt(first * bytes), STEP * bytes)).fill(0);
    }
  }

  /** Records the writing of keys and values of the first `count` tokens at `positions` (i64, [count]). */
  write(g: GraphBuilder, block: number, { k, v }: QueryKeyValue, positions: Tensor, count: number): void {
    const { keys, values } = this.#of(block);
    g.expand(g.setRows(keys, g.firstRows(g.joinHeads(k), count), positions));
    if (v !== null) g.expand(g.setRows(values, g.firstRows(v, count), positions));
  }

  /** `span` rows from `first` on, as attention reads them: [width, kvHeads, span] */
  read(g: GraphBuilder, block: number, span: number, first = 0): { readonly k: Tensor; readonly v: Tensor } {
    const { keyWidth, valueWidth, valuesInKeys, kvHeads } = this.#hyper;
    const { keys, values } = this.#of(block);
    const strides = (headWidth: number) => [headWidth * F16_BYTES, kvHeads * headWidth * F16_BYTES] as const;
    const heads = (x: Tensor, width: number, headWidth: number): Tensor =>
      g.view3d(x, [width, kvHeads, span], strides(headWidth), first * kvHeads * headWidth * F16_BYTES);
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

/** Rows of all sequences. */
function cacheRows({ contextLength, parallel }: CacheSize): number {
  return parallel * cacheSpan(contextLength);
}

/** Keys of every block, and values if they are apart, with the spare row: [kvHeads · width, rows] each */
export function cacheTensors(hyper: HyperParameters, size: CacheSize): TensorShape[] {
  const { blocks, kvHeads, keyWidth, valueWidth, valuesInKeys } = hyper;
  const widths = valuesInKeys ? [keyWidth] : [keyWidth, valueWidth];
  const tensors = widths.map((width) => ({
    type: GgmlType.F16,
    shape: [kvHeads * width, cacheRows(size) + 1],
  }));
  return Array.from({ length: blocks }, () => tensors).flat();
}
