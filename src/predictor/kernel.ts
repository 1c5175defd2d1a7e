import type { NeighbourModel } from "./neighbour-model.ts";
import type { TrainingSet } from "./training-set.ts";
import { weightedMean } from "./weighted-mean.ts";

/**
 * Kernel regression on prompt vectors: Ŝ(q) = Σ w_i S_i / Σ w_i over the α most similar examples, with
 * w_i = e^(cos(q, i) / temperature). What is added to the set is taken in at the next prediction.
 */
export function createKernel(set: TrainingSet): NeighbourModel {
  return {
    nearest: ({ vector }, alpha) => set.vectors.topAlpha(vector, alpha),
    combine: (_query, neighbours, temperature) => weightedMean(set, neighbours, temperature),
  };
}
