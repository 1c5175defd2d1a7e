import { toActivationMatrix } from "./activation-matrix.ts";
import type { Predictor } from "./predictor.ts";
import type { TrainingSet } from "./training-set.ts";

/**
 * DOP, "distribution of the past": the mean of the examples' activation matrices, whatever the prompt. Every example
 * counts the same, whatever its length, as in the measure it is judged by. Examples added later are left out.
 */
export function createDop(set: TrainingSet): Predictor {
  const sum = new Float64Array(set.shape.layers * set.shape.experts);
  for (let example = 0; example < set.size; example++) {
    const matrix = set.matrix(example);
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (matrix[i] as number);
  }
  const mean = toActivationMatrix(sum, set.shape);
  return { name: "dop", predict: () => mean.slice() };
}
