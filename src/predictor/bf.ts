import { NEIGHBOUR_DEFAULTS, type NeighbourOptions } from "./neighbour-options.ts";
import type { Predictor } from "./predictor.ts";
import type { TrainingSet } from "./training-set.ts";
import { weightedMean } from "./weighted-mean.ts";

/** BF, brute force: the mean of the α most similar of all examples, weighted by softmax. What SPS can reach at best. */
export function createBf(set: TrainingSet, options: Partial<NeighbourOptions> = {}): Predictor {
  const { alpha, temperature } = { ...NEIGHBOUR_DEFAULTS, ...options };
  return {
    name: "bf",
    predict: ({ vector }) => weightedMean(set, set.vectors.topAlpha(vector, alpha), temperature),
  };
}
