import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { toActivationMatrix } from "./activation-matrix.ts";
import { Calibration } from "./calibration.ts";
import type { ActivationMatrix } from "./example.ts";

const SHAPE = { layers: 2, experts: 8 };

/** A prediction, and a truth that differs from it at random. */
function drawRequest(random: () => number): { predicted: ActivationMatrix; truth: ActivationMatrix } {
  const predicted = toActivationMatrix(
    Float64Array.from({ length: 16 }, () => random() ** 2),
    SHAPE,
  );
  return {
    predicted,
    truth: toActivationMatrix(
      predicted.map((share) => share * 2 * random()),
      SHAPE,
    ),
  };
}

/** In each layer the `count` experts predicted most active. */
function mostActive(matrix: ActivationMatrix, count: number): number[][] {
  return [0, 1].map((layer) => {
    const row = matrix.subarray(layer * 8, (layer + 1) * 8);
    return [...row.keys()].sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0)).slice(0, count);
  });
}

const shareOf = (matrix: ActivationMatrix, layer: number, experts: readonly number[]): number =>
  experts.reduce((sum, expert) => sum + (matrix[layer * 8 + expert] ?? 0), 0);

describe("Calibration", () => {
  it("predicts the share of the local experts, for each layer and over all", () => {
    const { predicted } = drawRequest(createRandom(1));
    const local = [
      [0, 3],
      [1, 2, 7],
    ];
    const { layers, total } = new Calibration(SHAPE).coverage(predicted, local);
    const expected = local.map((experts, layer) => shareOf(predicted, layer, experts));
    expect(layers.map(({ share }) => share)).toEqual(expected);
    expect(total.share).toBeCloseTo(((expected[0] ?? 0) + (expected[1] ?? 0)) / 2, 12);
  });

  it.each([0.8, 0.9, 0.95])("bounds the true share from below as often as its confidence of %d says", (confidence) => {
    const random = createRandom(2);
    const calibration = new Calibration(SHAPE, { confidence });
    for (let i = 0; i < 500; i++) {
      const { predicted, truth } = drawRequest(random);
      calibration.add(predicted, truth);
    }
    const requests = Array.from({ length: 2000 }, () => drawRequest(random));
    const held = requests.filter(({ predicted, truth }) => {
      const local = mostActive(predicted, 4);
      const { layers } = calibration.coverage(predicted, local);
      return shareOf(truth, 0, local[0] ?? []) >= (layers[0]?.low ?? 1);
    });
    expect(Math.abs(held.length / requests.length - confidence)).toBeLessThan(0.035);
  });

  it("promises nothing before it knows enough requests", () => {
    const random = createRandom(3);
    const calibration = new Calibration(SHAPE, { confidence: 0.9 });
    const lowAfter = (requests: number): number => {
      for (let i = 0; i < requests; i++) {
        const { predicted, truth } = drawRequest(random);
        calibration.add(predicted, truth);
      }
      const { predicted } = drawRequest(createRandom(4));
      return calibration.coverage(predicted, mostActive(predicted, 6)).total.low;
    };
    expect(lowAfter(8)).toBe(0);
    expect(lowAfter(1)).toBeGreaterThan(0);
  });

  it("is certain of everything and of nothing", () => {
    const random = createRandom(5);
    const calibration = new Calibration(SHAPE);
    for (let i = 0; i < 50; i++) {
      const { predicted, truth } = drawRequest(random);
      calibration.add(predicted, truth);
    }
    const { predicted } = drawRequest(random);
    expect(calibration.coverage(predicted, mostActive(predicted, 8)).total.low).toBeCloseTo(1, 5);
    expect(calibration.coverage(predicted, [[], []]).total).toEqual({ share: 0, low: 0 });
  });

  it("forgets the oldest requests", () => {
    const calibration = new Calibration(SHAPE, { capacity: 20 });
    const { predicted } = drawRequest(createRandom(6));
    const wrong = toActivationMatrix(
      predicted.map((share) => 1 / (share + 0.01)),
      SHAPE,
    );
    for (let i = 0; i < 20; i++) calibration.add(predicted, wrong);
    for (let i = 0; i < 20; i++) calibration.add(predicted, predicted);
    const { share, low } = calibration.coverage(predicted, mostActive(predicted, 4)).total;
    expect(low).toBeCloseTo(share, 6);
  });
});
