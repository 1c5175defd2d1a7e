import { beforeEach, describe, expect, it } from "vitest";
import { createRandom } from "../../core/random.ts";
import { toActivationMatrix, uniformMatrix } from "../activation-matrix.ts";
import { divergence } from "../divergence.ts";
import type { ActivationMatrix, Example, Query } from "../example.ts";
import type { Predictor } from "../predictor.ts";
import { TrainingSet } from "../training-set.ts";
import {
  createSyntheticWorld,
  moveRows,
  renameExperts,
  SYNTHETIC_SHAPE,
  type SyntheticWorld,
  UNKNOWN_TOKEN,
} from "./synthetic-world.ts";

/** What a predictor is made of in the conformance suite. */
export interface Surroundings extends SyntheticWorld {
  /** Of `examples`. */
  readonly set: TrainingSet;
  readonly random: () => number;
}

export interface PredictorConformanceOptions {
  /** Whether its examples are all it knows, so that it predicts uniformly without any. Default true. */
  readonly learns?: boolean;
}

const SEED = 7;

/** What every predictor does, whatever its method. */
export function describePredictor(
  name: string,
  create: (surroundings: Surroundings) => Predictor,
  { learns = true }: PredictorConformanceOptions = {},
): void {
  describe(name, () => {
    let world: SyntheticWorld;
    beforeEach(() => {
      world = createSyntheticWorld();
    });

    const createFrom = (from: SyntheticWorld): Predictor =>
      create({ ...from, set: new TrainingSet(from.shape, from.examples), random: createRandom(SEED) });
    const predictAll = (from: SyntheticWorld): ActivationMatrix[] => {
      const predictor = createFrom(from);
      return from.unseen.map((query) => predictor.predict(query));
    };
    const withExamples = (examples: readonly Example[]): SyntheticWorld => ({ ...world, examples });

    it("predicts rows of shares that sum to 1", () => {
      for (const matrix of predictAll(world)) expectShares(matrix, world);
    });

    it("predicts the same again from the same examples and seed", () => {
      expect(predictAll(world)).toEqual(predictAll(world));
    });

    it("keeps a prediction as it was while it makes others", () => {
      const predictor = createFrom(world);
      const [first, second] = world.unseen.slice(0, 2) as [Example, Example];
      const matrix = predictor.predict(first);
      const copy = matrix.slice();
      predictor.predict(second).fill(0);
      expect(matrix).toEqual(copy);
      expect(predictor.predict(first)).toEqual(copy);
    });

    it("depends on no expert's number: renaming experts renames them in the prediction", () => {
      const renamed = [3, 0, 7, 1, 6, 2, 5, 4];
      const expected = predictAll(world).map((matrix) => moveRows(matrix, renamed, 1));
      for (const [i, matrix] of predictAll(renameExperts(world, renamed)).entries()) {
        expectClose(matrix, expected[i] as ActivationMatrix);
      }
    });

    it.runIf(learns)("predicts uniformly from an empty history", () => {
      for (const matrix of predictAll(withExamples([]))) expectClose(matrix, uniformMatrix(world.shape));
    });

    it("predicts from a single example", () => {
      for (const matrix of predictAll(withExamples(world.examples.slice(0, 1)))) expectShares(matrix, world);
    });

    it("predicts from one example many times over", () => {
      const [example] = world.examples.slice(0, 1) as [Example];
      const predictor = createFrom(withExamples(Array.from({ length: 60 }, () => example)));
      const matrix = predictor.predict(example);
      expectShares(matrix, world);
      if (learns) expectBetterThanUniform(matrix, example);
    });

    it("predicts for a prompt it has seen", () => {
      const predictor = createFrom(world);
      for (const example of world.examples) {
        const matrix = predictor.predict(example);
        expectShares(matrix, world);
        if (learns) expectBetterThanUniform(matrix, example);
      }
    });

    it("predicts for a prompt of which it knows no token", () => {
      const unknown: Query = { vector: new Float32Array(world.shape.dimensions), tokens: [UNKNOWN_TOKEN] };
      expectShares(createFrom(world).predict(unknown), world);
    });

    it("predicts for a prompt without tokens", () => {
      const nothing: Query = { vector: new Float32Array(world.shape.dimensions), tokens: [] };
      expectShares(createFrom(world).predict(nothing), world);
    });

    it("learns from examples that ran without a token routed", () => {
      const [example] = world.examples.slice(0, 1) as [Example];
      const idle = { ...example, prefill: new Uint32Array(example.prefill.length) };
      for (const matrix of predictAll(withExamples([idle, example]))) expectShares(matrix, world);
    });
  });
}

/** Every row is non-negative and sums to 1. */
function expectShares(matrix: ActivationMatrix, { shape: { layers, experts } }: SyntheticWorld): void {
  expect(matrix).toHaveLength(layers * experts);
  expect(Math.min(...matrix)).toBeGreaterThanOrEqual(0);
  for (let start = 0; start < matrix.length; start += experts) {
    const sum = matrix.subarray(start, start + experts).reduce((total, share) => total + share, 0);
    expect(sum).toBeCloseTo(1, 5);
  }
}

function expectClose(matrix: ActivationMatrix, expected: ActivationMatrix): void {
  const furthest = matrix.reduce((most, share, i) => Math.max(most, Math.abs(share - (expected[i] ?? 0))), 0);
  expect(furthest).toBeLessThan(1e-5);
}

function expectBetterThanUniform(matrix: ActivationMatrix, { prefill }: Example): void {
  const shape = SYNTHETIC_SHAPE;
  const truth = toActivationMatrix(prefill, shape);
  expect(divergence(matrix, truth, shape)).toBeLessThan(divergence(uniformMatrix(shape), truth, shape));
}
