import { activationSpace } from "./clustering/activation-space.ts";
import { kMedoids } from "./clustering/k-medoids.ts";
import type { Predictor } from "./predictor.ts";
import type { SpsOptions } from "./sps.ts";
import type { TrainingSet } from "./training-set.ts";
import { createTreePredictor } from "./tree-predictor.ts";

/**
 * VarED: SPS with its tree split by the Euclidean distance of activation matrices. A prompt's own matrix is what it wants
 * to know, so the search still goes down by the soft cosine with the medoids' prompts.
 */
export function createVarEd(set: TrainingSet, { random, ...options }: SpsOptions): Predictor {
  return createTreePredictor("vared", { set, clustering: kMedoids(activationSpace(set), random) }, options);
}
