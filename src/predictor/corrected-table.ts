import { toActivationMatrix } from "./activation-matrix.ts";
import type { ActivationMatrix, Example, Query } from "./example.ts";
import type { NeighbourModel } from "./neighbour-model.ts";
import type { Neighbours } from "./neighbours.ts";
import { type NgramOptions, NgramTable } from "./ngram-table.ts";
import { type LinearMap, RidgeRegression } from "./ridge-regression.ts";
import type { TrainingShape } from "./training-set.ts";
import { toUnit } from "./unit-vector.ts";
import { VectorMatrix } from "./vector-matrix.ts";
import { softmaxWeights } from "./weighted-mean.ts";

export interface CorrectedTableOptions extends Partial<NgramOptions> {
  /** λ of the regression that learns which prompts are alike. */
  readonly lambda?: number;
}

const DEFAULT_LAMBDA = 0.3;

/**
 * The n-gram table, corrected by what it got wrong on similar prompts:
 *
 *   Ŝ(q) ∝ max(0, T(q) + Σ w_i r_i / Σ w_i),  r_i = S_i − T₋ᵢ(i),  w_i = e^(s(q, i) / temperature)
 *
 * over the α most similar examples, T₋ᵢ being the table without example i. The table knows what a token does wherever it
 * stands; the residuals know what the subject of the prompt changes about it.
 *
 * Prompts are alike when their vectors are, and when their vectors promise like residuals: with W the ridge regression
 * from unit prompt vector to residual, s is the mean of the cosines of u and of W u.
 */
export class CorrectedTable implements NeighbourModel {
  readonly #shape: TrainingShape;
  readonly #table: NgramTable;
  readonly #metric: LinearMap;
  /** [dimensions + layers × experts] */
  readonly #features: VectorMatrix;
  readonly #residuals: Float32Array[] = [];

  private constructor(shape: TrainingShape, table: NgramTable, metric: LinearMap) {
    this.#shape = shape;
    this.#table = table;
    this.#metric = metric;
    this.#features = new VectorMatrix(shape.dimensions + shape.layers * shape.experts);
  }

  /** Learns from the examples whose routing is known token by token; yields after each step of bounded work. */
  static *fit(
    shape: TrainingShape,
    examples: readonly Example[],
    { lambda = DEFAULT_LAMBDA, ...options }: CorrectedTableOptions = {},
  ): Generator<void, CorrectedTable, void> {
    const table = new NgramTable(shape, options);
    const sampled = examples.filter(isSampled);
    for (const { prefillSample } of sampled) {
      table.add(prefillSample);
      yield;
    }
    const regression = new RidgeRegression(shape.dimensions, shape.layers * shape.experts);
    const residuals: Float32Array[] = [];
    for (const { vector, prefillSample } of sampled) {
      table.remove(prefillSample);
      const residual = table.residual(prefillSample);
      table.add(prefillSample);
      regression.add(toUnit(vector), residual);
      residuals.push(residual);
      yield;
    }
    const fitted = new CorrectedTable(shape, table, regression.solve(lambda));
    for (const [i, { vector }] of sampled.entries()) {
      fitted.#push(vector, residuals[i] as Float32Array);
      yield;
    }
    return fitted;
  }

  /** Appends an example. What makes prompts alike stays as it was fitted. */
  add(example: Example): void {
    if (!isSampled(example)) return;
    const { vector, prefillSample } = example;
    this.#push(vector, this.#table.residual(prefillSample));
    this.#table.add(prefillSample);
  }

  nearest({ vector }: Query, alpha: number): Neighbours {
    return this.#features.topAlpha(this.#feature(vector), alpha);
  }

  combine({ tokens }: Query, { indices, similarities }: Neighbours, temperature: number): ActivationMatrix {
    const sum = Float64Array.from(this.#table.predict(tokens));
    const weights = softmaxWeights(similarities, temperature);
    for (const [i, index] of indices.entries()) {
      const residual = this.#residuals[index] as Float32Array;
      const weight = weights[i] as number;
      for (let cell = 0; cell < sum.length; cell++)
        sum[cell] = (sum[cell] as number) + weight * (residual[cell] as number);
    }
    return toActivationMatrix(
      sum.map((share) => Math.max(0, share)),
      this.#shape,
    );
  }

  #push(vector: Float32Array, residual: Float32Array): void {
    this.#features.push(this.#feature(vector));
    this.#residuals.push(residual);
  }

  #feature(vector: Float32Array): Float32Array {
    const unit = toUnit(vector);
    const promise = toUnit(this.#metric.apply(unit));
    const feature = new Float32Array(unit.length + promise.length);
    feature.set(unit);
    feature.set(promise, unit.length);
    return feature;
  }
}

function isSampled({ prefillSample }: Example): boolean {
  return prefillSample.tokens.length > 0;
}
