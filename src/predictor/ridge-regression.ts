import { solveByCholesky } from "./cholesky.ts";

/** y = W x */
export interface LinearMap {
  apply(x: Float32Array): Float32Array;
}

/**
 * W = (Σ x xᵀ + λ I)⁻¹ Σ x yᵀ: the linear map with the least Σ |W x − y|² + λ |W|². Keeps the two sums, so that an example
 * costs inputs · (inputs / 2 + outputs) multiplications and no memory, and solving does not depend on their number.
 */
export class RidgeRegression {
  readonly #inputs: number;
  readonly #outputs: number;
  /** Σ x xᵀ, lower triangle: [inputs × inputs] */
  readonly #gram: Float64Array;
  /** Σ x yᵀ: [inputs × outputs] */
  readonly #moment: Float64Array;

  constructor(inputs: number, outputs: number) {
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#gram = new Float64Array(inputs * inputs);
    this.#moment = new Float64Array(inputs * outputs);
  }

  add(x: Float32Array, y: Float32Array): void {
    for (let i = 0; i < this.#inputs; i++) {
      const xi = x[i] as number;
      addScaled(this.#gram, i * this.#inputs, x, { scale: xi, length: i + 1 });
      addScaled(this.#moment, i * this.#outputs, y, { scale: xi, length: this.#outputs });
    }
  }

  /** @param lambda λ > 0 */
  solve(lambda: number): LinearMap {
    const gram = this.#gram.slice();
    for (let i = 0; i < this.#inputs; i++)
      gram[i * (this.#inputs + 1)] = (gram[i * (this.#inputs + 1)] as number) + lambda;
    const weights = this.#moment.slice();
    solveByCholesky(gram, weights, this.#inputs);
    return { apply: (x) => multiply(weights, x, this.#outputs) };
  }
}

/** @param weights Wᵀ: [inputs × outputs] */
function multiply(weights: Float64Array, x: Float32Array, outputs: number): Float32Array {
  const y = new Float64Array(outputs);
  for (let i = 0; i < x.length; i++) {
    const xi = x[i] as number;
    for (let j = 0; j < outputs; j++) y[j] = (y[j] as number) + xi * (weights[i * outputs + j] as number);
  }
  return Float32Array.from(y);
}

interface Span {
  readonly scale: number;
  readonly length: number;
}

function addScaled(sum: Float64Array, start: number, row: Float32Array, { scale, length }: Span): void {
  for (let j = 0; j < length; j++) sum[start + j] = (sum[start + j] as number) + scale * (row[j] as number);
}
