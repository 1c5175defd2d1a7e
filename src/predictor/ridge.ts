import { toActivationMatrix } from "./activation-matrix.ts";
import type { Predictor } from "./predictor.ts";
import { RidgeRegression } from "./ridge-regression.ts";
import type { TrainingSet } from "./training-set.ts";
import { toUnit } from "./unit-vector.ts";

/**
 * Ridge regression from unit prompt vector to activation matrix, negative shares cut off: Ŝ ∝ max(0, W u). Examples
 * added later are left out.
 *
 * @param lambda λ > 0
 */
export function createRidge(set: TrainingSet, lambda = 0.3): Predictor {
  const { shape, vectors } = set;
  const regression = new RidgeRegression(vectors.dimensions, shape.layers * shape.experts);
  for (let example = 0; example < set.size; example++) regression.add(vectors.row(example), set.matrix(example));
  const map = regression.solve(lambda);
  return {
    name: "ridge",
    predict: ({ vector }) =>
      toActivationMatrix(
        map.apply(toUnit(vector)).map((share) => Math.max(0, share)),
        shape,
      ),
  };
}
