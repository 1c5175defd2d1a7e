import type { ActivationMatrix, Shape } from "./example.ts";

/** What each component predicted for a held-out query, and what was true. */
export interface Trial {
  readonly predictions: readonly ActivationMatrix[];
  readonly truth: ActivationMatrix;
}

/** Of each layer, a weight for each component: non-negative, sum 1. */
export type MixtureWeights = readonly (readonly number[])[];

const STEPS = 100;
/** η */
const RATE = 10;

/** Ŝ[l] = Σ_c w[l][c] S_c[l] */
export function mix(predictions: readonly ActivationMatrix[], weights: MixtureWeights, shape: Shape): ActivationMatrix {
  const mixed = new Float32Array(shape.layers * shape.experts);
  for (const [c, prediction] of predictions.entries()) {
    for (const [layer, row] of weights.entries()) {
      const weight = row[c] as number;
      const end = (layer + 1) * shape.experts;
      for (let i = end - shape.experts; i < end; i++) {
        mixed[i] = (mixed[i] as number) + weight * (prediction[i] as number);
      }
    }
  }
  return mixed;
}

/**
 * The weights of the least mean Jensen–Shannon divergence J over the trials, by exponentiated gradient from equal ones:
 * w_c ← w_c e^(−η ∂J/∂w_c) / Σ. J is convex in the weights, so there is no lesser minimum to get stuck in. Yields after
 * each of its passes over the trials.
 */
export function* fitMixture(
  trials: readonly Trial[],
  components: number,
  shape: Shape,
): Generator<void, MixtureWeights, void> {
  let weights: MixtureWeights = Array.from({ length: shape.layers }, () => Array(components).fill(1 / components));
  for (let step = 0; step < STEPS && trials.length > 0; step++) {
    const gradient = meanGradient(trials, weights, shape);
    weights = weights.map((row, layer) =>
      toShares(row.map((weight, c) => weight * Math.exp(-RATE * (gradient[layer]?.[c] as number)))),
    );
    yield;
  }
  return weights;
}

/** ∂J/∂w_c = Σ_i ½ log2(2 p_i / (p_i + q_i)) S_c[i], mean over the trials, p being the mixture and q the truth. */
function meanGradient(trials: readonly Trial[], weights: MixtureWeights, shape: Shape): number[][] {
  const gradient = weights.map((row) => row.map(() => 0));
  for (const { predictions, truth } of trials) {
    const mixed = mix(predictions, weights, shape);
    for (let i = 0; i < mixed.length; i++) {
      const p = mixed[i] as number;
      if (p === 0) continue;
      const slope = Math.log2((2 * p) / (p + (truth[i] as number))) / (2 * trials.length);
      const row = gradient[Math.floor(i / shape.experts)] as number[];
      for (let c = 0; c < row.length; c++) row[c] = (row[c] as number) + slope * (predictions[c]?.[i] as number);
    }
  }
  return gradient;
}

function toShares(row: readonly number[]): number[] {
  const sum = row.reduce((a, b) => a + b, 0);
  return row.map((weight) => weight / sum);
}
