import { kMedoids } from "./clustering/k-medoids.ts";
import { similaritySpace } from "./clustering/similarity-space.ts";
import type { Predictor } from "./predictor.ts";
import type { TrainingSet } from "./training-set.ts";
import { createTreePredictor, type TreePredictorOptions } from "./tree-predictor.ts";

export interface SpsOptions extends Partial<TreePredictorOptions> {
  /** In [0, 1): turns the roulette wheel. */
  readonly random: () => number;
}

/** SPS, similar prompts searching: the paper's predictor. */
export function createSps(set: TrainingSet, { random, ...options }: SpsOptions): Predictor {
  const clustering = kMedoids(similaritySpace(set.vectors), random);
  return createTreePredictor("sps", { set, clustering }, options);
}
