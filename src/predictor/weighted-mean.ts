import { toActivationMatrix } from "./activation-matrix.ts";
import type { ActivationMatrix } from "./example.ts";
import type { Neighbours } from "./neighbours.ts";
import type { TrainingSet } from "./training-set.ts";

/**
 * The neighbours' activation matrices weighted by softmax(similarity / temperature); uniform when there are none.
 *
 * The paper's plain softmax is temperature 1, which weights similarities between 0.7 and 0.9 nearly alike; lower ones
 * trust the nearest more.
 */
export function weightedMean(set: TrainingSet, neighbours: Neighbours, temperature: number): ActivationMatrix {
  const weights = softmaxWeights(neighbours.similarities, temperature);
  const sum = new Float64Array(set.shape.layers * set.shape.experts);
  for (const [i, index] of neighbours.indices.entries()) addScaled(sum, set.matrix(index), weights[i] as number);
  return toActivationMatrix(sum, set.shape);
}

/** softmax(similarity / temperature): weights that sum to 1. */
export function softmaxWeights(similarities: readonly number[], temperature: number): number[] {
  // The greatest power is e^0, so that none overflows.
  const greatest = Math.max(...similarities);
  const powers = similarities.map((similarity) => Math.exp((similarity - greatest) / temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function addScaled(sum: Float64Array, matrix: ActivationMatrix, weight: number): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + weight * (matrix[i] as number);
}
