import { describe, expect, it } from "vitest";
import { toActivationMatrix } from "./activation-matrix.ts";
import { createBf } from "./bf.ts";
import { complete } from "./complete.ts";
import { CorrectedTable } from "./corrected-table.ts";
import { divergence } from "./divergence.ts";
import { Ensemble } from "./ensemble.ts";
import type { Example } from "./example.ts";
import { createKernel } from "./kernel.ts";
import { type NeighbourModel, predictByNeighbours, tuneNeighbours } from "./neighbour-model.ts";
import type { Predictor } from "./predictor.ts";
import { createRidge } from "./ridge.ts";
import { describePredictor } from "./testing/predictor-conformance.ts";
import { createSyntheticWorld } from "./testing/synthetic-world.ts";
import { TrainingSet } from "./training-set.ts";

const OPTIONS = { alpha: 15, temperature: 0.05 };

function asPredictor(model: NeighbourModel): Predictor {
  return { name: "model", predict: (query) => predictByNeighbours(model, query, OPTIONS) };
}

describePredictor("kernel regression", ({ set }) => asPredictor(createKernel(set)));
describePredictor("ridge", ({ set }) => createRidge(set));
describePredictor("corrected table", ({ shape, examples }) =>
  asPredictor(complete(CorrectedTable.fit(shape, examples))),
);
describePredictor("ensemble", ({ shape, examples }) => complete(Ensemble.fit(shape, examples)));

const world = createSyntheticWorld({ examples: 200, unseen: 50 });
const truthOf = ({ prefill }: Example) => toActivationMatrix(prefill, world.shape);

function meanDivergence({ predict }: Pick<Predictor, "predict">, queries: readonly Example[] = world.unseen): number {
  const all = queries.map((query) => divergence(predict(query), truthOf(query), world.shape));
  return all.reduce((a, b) => a + b, 0) / all.length;
}

describe("on prompts of the same kind", () => {
  const set = new TrainingSet(world.shape, world.examples);
  const ensemble = complete(Ensemble.fit(world.shape, world.examples));
  const error = meanDivergence({ predict: (query) => ensemble.predict(query) });

  it("the ensemble is at least a tenth closer to the truth than the best of the paper's method", () => {
    expect(error).toBeLessThan(0.9 * meanDivergence(createBf(set)));
  });

  it("what the table missed on similar prompts makes it better", () => {
    const table = complete(CorrectedTable.fit(world.shape, world.examples));
    const plain: NeighbourModel = {
      nearest: () => ({ indices: [], similarities: [] }),
      combine: (...parameters) => table.combine(...parameters),
    };
    expect(meanDivergence(asPredictor(table))).toBeLessThanOrEqual(meanDivergence(asPredictor(plain)));
  });

  it("learns examples one by one as well as at once", () => {
    const grown = complete(Ensemble.fit(world.shape, world.examples.slice(0, 100)));
    const before = meanDivergence({ predict: (query) => grown.predict(query) });
    for (const example of world.examples.slice(100)) grown.add(example);
    const after = meanDivergence({ predict: (query) => grown.predict(query) });
    expect(after).toBeLessThan(before);
    expect(after).toBeLessThan(1.15 * error);
  });

  it("learns from counts alone where a history leaves tokens out", () => {
    const none = { tokens: new Uint32Array(0), experts: new Uint16Array(0) };
    const bare = world.examples.map((example) => ({ ...example, tokens: [], prefillSample: none, decodeSample: none }));
    const learnt = complete(Ensemble.fit(world.shape, bare));
    expect(meanDivergence({ predict: (query) => learnt.predict(query) })).toBeLessThan(
      1.05 * meanDivergence(createBf(set)),
    );
  });

  it("tuning finds options no worse than the paper's on the held-out queries", () => {
    const model = createKernel(set);
    const heldOut = world.unseen.map((query) => ({ query, truth: truthOf(query) }));
    const options = complete(tuneNeighbours(model, heldOut, world.shape));
    const tuned = meanDivergence({ predict: (query) => predictByNeighbours(model, query, options) });
    expect(tuned).toBeLessThanOrEqual(meanDivergence(createBf(set)));
  });
});
