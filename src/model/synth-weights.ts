import { createRandom } from "../core/random.ts";
import type { Native } from "../ggml/library.ts";
import { type GgmlType, rowBytes } from "../gguf/types.ts";

/** Elements drawn and quantised together in a large matrix: a whole block of every type, so that rows can be joined of them. */
const SEGMENT_ELEMENTS = 256;

/** Enough that two rows of eight segments or two experts never come out the same. */
const POOL_SEGMENTS = 4096;

/** Larger matrices are joined from the pool: drawing and quantising billions of elements one by one takes minutes. */
const MAX_DRAWN_ELEMENTS = 2 ** 18;

const CHUNK_BYTES = 1 * 1024 ** 2;

/** How much the popularity of experts differs: the factors of the gate's rows lie in [1 - spread, 1 + spread). */
const GATE_SPREAD = 0.5;

/** Standard deviation of the gate's logits: with 3, a few experts get most of a token's weight. */
const GATE_SHARPNESS = 3;

const NORM_SPREAD = 0.2;

/** A matrix to fill, in ggml's order: `rows` rows of `columns` elements. */
export interface SynthMatrix {
  readonly type: GgmlType;
  readonly columns: number;
  readonly rows: number;
  /** Standard deviation of the elements, whose mean is 0. */
  readonly deviation: number;
}

/** Draws the weights of a model: the same seed and the same order of calls give the same bytes. */
export class SynthWeights {
  readonly #ggml: Native["ggml"];
  readonly #random: () => number;
  readonly #pools = new Map<string, Buffer>();

  constructor(native: Native, seed: number) {
    this.#ggml = native.ggml;
    this.#random = createRandom(seed);
  }

  /** Weights of a normalisation, near 1. */
  norm(width: number): Uint8Array {
    return toBytes(Float32Array.from({ length: width }, () => 1 + NORM_SPREAD * (2 * this.#random() - 1)));
  }

  /** A gate [hidden, experts] that prefers some experts: the larger its row, the more often an expert is among the first. */
  gate(hidden: number, experts: number): Uint8Array {
    const rows = Array.from({ length: experts }, () => {
      const popularity = 1 + GATE_SPREAD * (2 * this.#random() - 1);
      return this.#normals(hidden, (popularity * GATE_SHARPNESS) / Math.sqrt(hidden));
    });
    return Buffer.concat(rows.map(toBytes));
  }

  /** A matrix in chunks. A chunk is valid until the next one is asked for. */
  *matrix(matrix: SynthMatrix): Iterable<Uint8Array> {
    if (matrix.rows * matrix.columns > MAX_DRAWN_ELEMENTS) {
      yield* this.#joined(matrix);
    } else {
      yield this.#drawn(matrix);
    }
  }

  *#joined({ type, columns, rows, deviation }: SynthMatrix): Iterable<Uint8Array> {
    const segmentElements = segmentOf(columns);
    const segmentBytes = rowBytes(type, segmentElements);
    const pool = this.#pool({ type, columns: segmentElements, rows: POOL_SEGMENTS, deviation });
    const chunk = Buffer.allocUnsafe(Math.floor(CHUNK_BYTES / segmentBytes) * segmentBytes);
    let left = rows * (columns / segmentElements) * segmentBytes;
    while (left > 0) {
      const size = Math.min(left, chunk.length);
      for (let at = 0; at < size; at += segmentBytes) {
        const from = Math.floor(this.#random() * POOL_SEGMENTS) * segmentBytes;
        pool.copy(chunk, at, from, from + segmentBytes);
      }
      yield chunk.subarray(0, size);
      left -= size;
    }
  }

  #pool(matrix: SynthMatrix): Buffer {
    const key = JSON.stringify(matrix);
    const pool = this.#pools.get(key) ?? this.#drawn(matrix);
    this.#pools.set(key, pool);
    return pool;
  }

  #drawn({ type, columns, rows, deviation }: SynthMatrix): Buffer {
    const values = this.#normals(rows * columns, deviation);
    const bytes = Buffer.alloc(rows * rowBytes(type, columns));
    this.#ggml.ggml_quantize_chunk(type, values, bytes, 0, rows, columns, null);
    return bytes;
  }

  #normals(count: number, deviation: number): Float32Array {
    return Float32Array.from({ length: count }, () => deviation * standardNormal(this.#random));
  }
}

/** Box and Muller's transform. */
function standardNormal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** The largest power of two up to {@link SEGMENT_ELEMENTS} that rows divide into. */
function segmentOf(columns: number): number {
  let elements = SEGMENT_ELEMENTS;
  while (columns % elements !== 0) elements /= 2;
  return elements;
}

function toBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
