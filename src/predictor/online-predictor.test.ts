import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { toActivationMatrix, uniformMatrix } from "./activation-matrix.ts";
import { complete } from "./complete.ts";
import { divergence } from "./divergence.ts";
import type { Example } from "./example.ts";
import { OnlinePredictor } from "./online-predictor.ts";
import { describePredictor } from "./testing/predictor-conformance.ts";
import { createSyntheticWorld, moveRows } from "./testing/synthetic-world.ts";

const world = createSyntheticWorld({ examples: 400, unseen: 40 });
const { shape, examples, unseen } = world;

describePredictor("online predictor", (surroundings) => {
  const online = new OnlinePredictor(surroundings.shape);
  complete(online.start(surroundings.examples));
  return { name: "online", predict: (query) => online.forecast(query).matrix };
});

function meanDivergence(online: OnlinePredictor, queries: readonly Example[]): number {
  const all = queries.map((query) =>
    divergence(online.forecast(query).matrix, toActivationMatrix(query.prefill, shape), shape),
  );
  return all.reduce((a, b) => a + b, 0) / all.length;
}

/** The same request in a model whose gates prefer experts `turns` places further. */
function turned(example: Example, turns: number): Example {
  const renamed = Array.from({ length: shape.experts }, (_, expert) => (expert + turns) % shape.experts);
  const { tokens, experts } = example.prefillSample;
  return {
    ...example,
    prefill: moveRows(example.prefill, renamed, 1),
    prefillSample: { tokens, experts: experts.map((expert) => renamed[expert] ?? expert) },
  };
}

describe("OnlinePredictor", () => {
  it("knows nothing at first, and says so", () => {
    const [query] = unseen as [Example];
    expect(new OnlinePredictor(shape).forecast(query)).toEqual({ matrix: uniformMatrix(shape), source: "none" });
  });

  it("learns from finished requests alone, about as well as from a history", () => {
    const online = new OnlinePredictor(shape, { refitEvery: 100 });
    for (const example of examples) online.learn(example);
    const fitted = new OnlinePredictor(shape);
    complete(fitted.start(examples));
    expect(online.forecast(unseen[0] as Example).source).toBe("prompt");
    expect(meanDivergence(online, unseen)).toBeLessThan(1.25 * meanDivergence(fitted, unseen));
  });

  it("falls back to the global distribution while prompts mislead, and comes back", () => {
    const online = new OnlinePredictor(shape);
    complete(online.start(examples.slice(0, 150)));
    const sourceAfter = (requests: readonly Example[]): string => {
      for (const request of requests) online.learn(request);
      return online.forecast(unseen[0] as Example).source;
    };
    const random = createRandom(1);
    const misleading = examples.map((example) => turned(example, 1 + Math.floor(random() * (shape.experts - 1))));
    expect(sourceAfter(misleading.slice(0, 150))).toBe("global");
    expect(sourceAfter(examples)).toBe("prompt");
  });

  it("forgets what no longer holds", () => {
    const online = new OnlinePredictor(shape, { capacity: 150, refitEvery: 100, stepsPerExample: 100 });
    complete(online.start(examples.slice(0, 150)));
    for (const example of examples.slice(150)) online.learn(turned(example, 4));
    const changed = unseen.map((query) => turned(query, 4));
    expect(meanDivergence(online, changed)).toBeLessThan(0.5 * meanDivergence(online, unseen));
  });

  it("bounds the covered share from below once enough requests have finished", () => {
    const online = new OnlinePredictor(shape);
    complete(online.start(examples.slice(0, 300)));
    const local = Array.from({ length: shape.layers }, () => [0, 1, 2, 3, 4, 5]);
    const lowOf = (query: Example): number => online.coverage(online.forecast(query), local).total.low;
    expect(lowOf(unseen[0] as Example)).toBe(0);
    for (const example of examples.slice(300)) online.learn(example);
    expect(lowOf(unseen[0] as Example)).toBeGreaterThan(0);
  });
});
