import { createDotKernel, KERNEL_STEP } from "./dot-kernel.ts";
import { NearestNeighbours, type Neighbours } from "./neighbours.ts";
import { lengthOf } from "./prompt-vector.ts";

const FLOAT_BYTES = 4;
const PAGE_BYTES = 65_536;

/**
 * Prompt vectors, scaled to length 1, in the order they came: similarities are dot products, and those with all of them
 * one matrix-vector product. The vector of a prompt without known tokens stays zero and is similar to none.
 */
export class VectorMatrix {
  readonly dimensions: number;
  readonly #kernel = createDotKernel();
  /** Slot 0 holds the query, slot i + 1 vector i. */
  readonly #slotFloats: number;
  #floats: Float32Array;
  #size = 0;

  constructor(dimensions: number) {
    this.dimensions = dimensions;
    this.#slotFloats = Math.ceil(dimensions / KERNEL_STEP) * KERNEL_STEP;
    this.#floats = new Float32Array(this.#kernel.memory.buffer);
    this.#reserve(1);
  }

  get size(): number {
    return this.#size;
  }

  /** Appends a vector, [dimensions], at index `size`. */
  push(vector: Float32Array): void {
    this.#reserve(this.#size + 2);
    this.#write(this.#size + 1, vector);
    this.#size++;
  }

  /** The unit vector at an index: a view that is valid until the next `push`. */
  row(index: number): Float32Array {
    const start = (index + 1) * this.#slotFloats;
    return this.#floats.subarray(start, start + this.dimensions);
  }

  /** Soft cosine of two vectors of the matrix. */
  similarity(first: number, second: number): number {
    return this.#dot(first + 1, second + 1);
  }

  /** Soft cosine of a query, of any length, with every vector, into `out`: [size] */
  similarities(query: Float32Array, out: Float32Array): void {
    this.#write(0, query);
    for (let i = 0; i < this.#size; i++) out[i] = this.#dot(i + 1, 0);
  }

  /** Soft cosine of a query with the vectors at some indices. */
  similaritiesAt(query: Float32Array, indices: readonly number[]): Float64Array {
    this.#write(0, query);
    const similarities = new Float64Array(indices.length);
    for (let i = 0; i < indices.length; i++) similarities[i] = this.#dot((indices[i] as number) + 1, 0);
    return similarities;
  }

  /** The α vectors most similar to a query. */
  topAlpha(query: Float32Array, alpha: number): Neighbours {
    const nearest = new NearestNeighbours(alpha);
    this.#write(0, query);
    for (let i = 0; i < this.#size; i++) nearest.offer(i, this.#dot(i + 1, 0));
    return nearest;
  }

  #dot(first: number, second: number): number {
    const slotBytes = this.#slotFloats * FLOAT_BYTES;
    return this.#kernel.dot(first * slotBytes, (first + 1) * slotBytes, second * slotBytes);
  }

  #write(slot: number, vector: Float32Array): void {
    const start = slot * this.#slotFloats;
    const scale = 1 / (lengthOf(vector) || 1);
    for (let i = 0; i < this.dimensions; i++) this.#floats[start + i] = (vector[i] as number) * scale;
  }

  /** Doubles the memory when it is full. */
  #reserve(slots: number): void {
    const { memory } = this.#kernel;
    const missing = slots * this.#slotFloats * FLOAT_BYTES - memory.buffer.byteLength;
    if (missing <= 0) return;
    memory.grow(Math.ceil(Math.max(missing, memory.buffer.byteLength) / PAGE_BYTES));
    this.#floats = new Float32Array(memory.buffer);
  }
}
