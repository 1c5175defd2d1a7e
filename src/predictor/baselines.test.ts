import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { toActivationMatrix } from "./activation-matrix.ts";
import { createBf } from "./bf.ts";
import { divergence } from "./divergence.ts";
import { createDop } from "./dop.ts";
import { createEf } from "./ef.ts";
import { createFate } from "./fate.ts";
import type { Predictor } from "./predictor.ts";
import { createSps } from "./sps.ts";
import { describePredictor } from "./testing/predictor-conformance.ts";
import { createSyntheticWorld } from "./testing/synthetic-world.ts";
import { TrainingSet } from "./training-set.ts";
import { createVarEd } from "./vared.ts";
import { createVarPam } from "./varpam.ts";

const tree = { alpha: 5, beta: 12, candidates: 20 };

describePredictor("EF", ({ shape }) => createEf(shape), { learns: false });
describePredictor("DOP", ({ set }) => createDop(set));
describePredictor("BF", ({ set }) => createBf(set, { alpha: 5 }));
describePredictor("SPS", ({ set, random }) => createSps(set, { ...tree, random }));
describePredictor("VarPAM", ({ set }) => createVarPam(set, tree));
describePredictor("VarED", ({ set, random }) => createVarEd(set, { ...tree, random }));
describePredictor("Fate", (surroundings) => createFate(surroundings), { learns: false });

const world = createSyntheticWorld({ examples: 400, unseen: 60 });
const set = new TrainingSet(world.shape, world.examples);

function meanDivergence({ predict }: Predictor): number {
  const divergences = world.unseen.map((query) =>
    divergence(predict(query), toActivationMatrix(query.prefill, world.shape), world.shape),
  );
  return divergences.reduce((sum, d) => sum + d, 0) / divergences.length;
}

describe("the predictors of the paper", () => {
  it("rank as in the paper: similar prompts before the global distribution before uniform", () => {
    const [bf, sps, dop, ef] = [
      createBf(set),
      createSps(set, { random: createRandom(1), beta: 60, candidates: 120 }),
      createDop(set),
      createEf(world.shape),
    ].map(meanDivergence) as [number, number, number, number];
    expect(sps).toBeLessThan(1.05 * bf);
    expect(sps).toBeLessThan(0.5 * dop);
    expect(dop).toBeLessThan(ef);
  });

  it.each([
    ["SPS", createSps(set, { random: createRandom(1), beta: 400 })],
    ["VarPAM", createVarPam(set, { beta: 400 })],
    ["VarED", createVarEd(set, { random: createRandom(1), beta: 400 })],
  ])("%s is brute force while one leaf holds all", (_, predictor) => {
    const bf = createBf(set);
    for (const query of world.unseen) expect(predictor.predict(query)).toEqual(bf.predict(query));
  });

  it.each([
    ["BF", (growing: TrainingSet) => createBf(growing)],
    ["SPS", (growing: TrainingSet) => createSps(growing, { random: createRandom(1) })],
  ])("%s takes in examples added since", (_, create) => {
    const growing = new TrainingSet(world.shape);
    const predictor = create(growing);
    for (const example of world.unseen.slice(0, 1)) {
      growing.add(example);
      expect(predictor.predict(example)).toEqual(toActivationMatrix(example.prefill, world.shape));
    }
  });

  it("DOP counts every example the same, however long", () => {
    const [example] = world.examples.slice(0, 1) as [(typeof world.examples)[number]];
    const long = { ...example, prefill: example.prefill.map((pairs) => 10 * pairs) };
    const other = world.unseen.slice(0, 1);
    const ofShort = createDop(new TrainingSet(world.shape, [example, ...other])).predict(example);
    expect(createDop(new TrainingSet(world.shape, [long, ...other])).predict(example)).toEqual(ofShort);
  });

  describe("Fate", () => {
    const gate = Float32Array.of(2, 0, 0, 1);
    const rows = [Float32Array.of(3, 4), Float32Array.of(0, 7), Float32Array.of(0, 0)];
    const fate = createFate({
      shape: { layers: 1, experts: 2 },
      embedding: (token) => rows[token] ?? null,
      gates: [gate],
    });
    const firstShare = (...tokens: number[]): number =>
      fate.predict({ tokens, vector: new Float32Array(2) })[0] as number;
    const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

    it("applies the gate to an embedding of root mean square 1", () => {
      expect(firstShare(0)).toBeCloseTo(sigmoid((2 * 0.6 - 0.8) * Math.SQRT2), 6);
    });

    it("takes the mean over the tokens it knows", () => {
      const second = sigmoid(-Math.SQRT2);
      expect(firstShare(1)).toBeCloseTo(second, 6);
      expect(firstShare(0, 1, 1, 99)).toBeCloseTo((firstShare(0) + 2 * second) / 3, 6);
      expect(firstShare(2)).toBe(0.5);
    });
  });
});
