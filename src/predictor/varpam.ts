import { pam } from "./clustering/pam.ts";
import { similaritySpace } from "./clustering/similarity-space.ts";
import type { Predictor } from "./predictor.ts";
import type { TrainingSet } from "./training-set.ts";
import { createTreePredictor, type TreePredictorOptions } from "./tree-predictor.ts";

/** VarPAM: SPS with its tree split by PAM, which is more exact and much slower to build. Takes no random numbers. */
export function createVarPam(set: TrainingSet, options: Partial<TreePredictorOptions> = {}): Predictor {
  return createTreePredictor("varpam", { set, clustering: pam(similaritySpace(set.vectors)) }, options);
}
