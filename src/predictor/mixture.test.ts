import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { toActivationMatrix } from "./activation-matrix.ts";
import { complete } from "./complete.ts";
import { divergence } from "./divergence.ts";
import type { ActivationMatrix } from "./example.ts";
import { fitMixture, type MixtureWeights, mix, type Trial } from "./mixture.ts";

const SHAPE = { layers: 2, experts: 6 };
const random = createRandom(5);
const randomMatrix = (): ActivationMatrix =>
  toActivationMatrix(
    Float64Array.from({ length: 12 }, () => random() ** 3),
    SHAPE,
  );

/** Truths that are a mixture of the first two of three components, another one in each layer. */
const TRUE_WEIGHTS: MixtureWeights = [
  [0.8, 0.2, 0],
  [0.3, 0.7, 0],
];
const TRIALS: readonly Trial[] = Array.from({ length: 40 }, () => {
  const predictions = [randomMatrix(), randomMatrix(), randomMatrix()];
  return { predictions, truth: mix(predictions, TRUE_WEIGHTS, SHAPE) };
});
const loss = (weights: MixtureWeights): number =>
  TRIALS.reduce((sum, { predictions, truth }) => sum + divergence(mix(predictions, weights, SHAPE), truth, SHAPE), 0);

describe("fitMixture", () => {
  const weights = complete(fitMixture(TRIALS, 3, SHAPE));

  it("gives each layer weights that are not negative and sum to 1", () => {
    for (const row of weights) {
      expect(Math.min(...row)).toBeGreaterThanOrEqual(0);
      expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
    }
  });

  it("finds the mixture the truth was made with", () => {
    for (const [layer, row] of weights.entries()) {
      for (const [c, weight] of row.entries()) expect(weight).toBeCloseTo(TRUE_WEIGHTS[layer]?.[c] ?? -1, 1);
    }
  });

  it("is better than any component alone and than equal parts", () => {
    const alone = [0, 1, 2].map((c) => SHAPE_ROWS.map(() => [0, 1, 2].map((other) => Number(other === c))));
    for (const other of [...alone, complete(fitMixture([], 3, SHAPE))]) expect(loss(weights)).toBeLessThan(loss(other));
  });

  it("gives equal weights without trials", () => {
    expect(complete(fitMixture([], 2, SHAPE))).toEqual([
      [0.5, 0.5],
      [0.5, 0.5],
    ]);
  });
});

const SHAPE_ROWS = [0, 1];
