import { toActivationMatrix } from "./activation-matrix.ts";
import type { ActivationMatrix, Example, Shape } from "./example.ts";
import { VectorMatrix } from "./vector-matrix.ts";

export interface TrainingShape extends Shape {
  /** Of the prompt vectors. */
  readonly dimensions: number;
}

/** What predictors learn from: of every example the unit prompt vector and the activation matrix of its prefill. */
export class TrainingSet {
  readonly shape: Shape;
  readonly vectors: VectorMatrix;
  /** Row i is example i's matrix: [capacity × layers × experts] */
  #matrices = new Float32Array(0);

  constructor({ layers, experts, dimensions }: TrainingShape, examples: readonly Example[] = []) {
    this.shape = { layers, experts };
    this.vectors = new VectorMatrix(dimensions);
    for (const example of examples) this.add(example);
  }

  /** Number of examples. */
  get size(): number {
    return this.vectors.size;
  }

  /** Appends an example. Predictors made from the set take it in at their next prediction, unless they say otherwise. */
  add(example: Example): void {
    const matrix = toActivationMatrix(example.prefill, this.shape);
    const start = this.size * matrix.length;
    this.#reserve(start + matrix.length);
    this.#matrices.set(matrix, start);
    this.vectors.push(example.vector);
  }

  /** The activation matrix of an example: a view, not to be written to. */
  matrix(index: number): ActivationMatrix {
    const length = this.shape.layers * this.shape.experts;
    return this.#matrices.subarray(index * length, (index + 1) * length);
  }

  #reserve(length: number): void {
    if (length <= this.#matrices.length) return;
    const grown = new Float32Array(Math.max(length, 2 * this.#matrices.length));
    grown.set(this.#matrices);
    this.#matrices = grown;
  }
}
