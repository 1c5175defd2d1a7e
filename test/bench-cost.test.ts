import { describe, expect, it } from "vitest";
import { toCostChart, toRatioChart } from "../bench/cost-chart.ts";
import { commonProblem } from "../bench/cost-forecast.ts";
import { METHODS } from "../bench/cost-methods.ts";
import { modelCosts } from "../bench/cost-modelled.ts";
import { usualObjectives } from "../bench/cost-objectives.ts";
import {
  type CostOutcome,
  compareCosts,
  type MethodCost,
  type PredictedOutcome,
  predictionErrors,
  repeatabilityOf,
  summariseCosts,
} from "../bench/cost-summary.ts";
import { WORKLOAD } from "../bench/plan-problems.ts";
import { renderChart } from "../bench/plot.ts";
import type { HistoryRecord } from "../src/history/record.ts";
import { bothKinds } from "../src/planner/plan-kind.ts";
import { tinyProblem } from "../src/planner/testing/tiny-problem.ts";

const outcome: CostOutcome = {
  cost: 1,
  ttftMs: 100,
  tpotMs: 10,
  isFeasible: true,
  isMet: true,
  mainMb: 1024,
  remoteExperts: 0,
};

describe("what a method costs", () => {
  it("is summed up over its requests", () => {
    const summary = summariseCosts([
      outcome,
      { ...outcome, cost: 2, ttftMs: 300, mainMb: 2048 },
      { ...outcome, cost: 6, ttftMs: 200, isFeasible: false, isMet: false, remoteExperts: 4 },
      { ...outcome, cost: 3, ttftMs: 200, tpotMs: null, isMet: false },
    ]);
    expect(summary).toEqual({
      ...{ mean: 3, p25: 1.75, p50: 2.5, p75: 3.75, max: 6 },
      ...{ ttftMs: 200, tpotMs: 10, mainMb: 1024, remoteExperts: 0 },
      ...{ feasible: 0.75, met: 0.5, metWhenFeasible: 2 / 3 },
    });
  });

  it("knows nothing of objectives kept where none was expected to be", () => {
    expect(summariseCosts([{ ...outcome, isFeasible: false }]).metWhenFeasible).toBeNull();
  });
});

describe("what Remoe saves", () => {
  const costing = (mean: number, feasible = 1): MethodCost => ({ ...summariseCosts([outcome]), mean, feasible });

  it("is counted against the cheapest and the dearest that keep the objectives, and against each", () => {
    const methods = { cpu: costing(4), gpu: null, mix: costing(2), lambdaml: costing(1, 0.9), remoe: costing(1.5) };
    expect(compareCosts(methods)).toEqual({
      savings: { cpu: 0.625, mix: 0.25, lambdaml: -0.5 },
      savingVsBest: 0.25,
      savingVsWorst: 0.625,
    });
  });

  it("is unknown where nobody else keeps them, or Remoe was not asked", () => {
    const none = { savingVsBest: null, savingVsWorst: null };
    expect(compareCosts({ cpu: costing(4, 0), remoe: costing(1) })).toEqual({ savings: { cpu: 0.75 }, ...none });
    expect(compareCosts({ cpu: costing(4) })).toEqual({ savings: {}, ...none });
  });
});

describe("errors of predictions", () => {
  const predicted = (cost: number, ttftMs: number, isCold = false): PredictedOutcome => ({
    ...outcome,
    isCold,
    predicted: { cost, ttftMs, tpotMs: 10 },
    costOfLength: 1,
    calculateMs: 0,
  });

  it("are relative to what was measured, cold starts apart", () => {
    const { warm, cold } = predictionErrors([
      predicted(1.5, 100),
      predicted(0.5, 50),
      predicted(1, 120),
      predicted(3, 400, true),
    ]);
    expect(warm?.requests).toBe(3);
    expect(warm?.cost).toEqual({ mean: 1 / 3, median: 0.5 });
    expect(warm?.costOfLength).toEqual({ mean: 0, median: 0 });
    expect(warm?.ttft?.median).toBeCloseTo(0.2, 12);
    expect(cold).toMatchObject({ requests: 1, cost: { mean: 2, median: 2 }, ttft: { mean: 3, median: 3 } });
  });

  it("count the shortest answers that have a time per token, and are unknown where none has one", () => {
    const short = { ...predicted(1, 100), tpotMs: 2.5 };
    const single = { ...predicted(1, 100), tpotMs: null };
    expect(predictionErrors([predicted(1, 100), short, single]).warm?.tpot).toEqual({ mean: 1.5, median: 1.5 });
    expect(predictionErrors([single]).warm?.tpot).toBeNull();
  });

  it("are unknown without requests", () => {
    expect(predictionErrors([predicted(1, 100)]).cold).toBeNull();
  });
});

describe("one request served again and again", () => {
  it("is off its own median, whatever was predicted", () => {
    const times = [80, 100, 130].map((ttftMs) => ({ ...outcome, ttftMs, tpotMs: null }));
    const { requests, cost, ttft, tpot } = repeatabilityOf(times);
    expect([requests, cost, tpot]).toEqual([3, { mean: 0, median: 0 }, null]);
    expect(ttft?.mean).toBeCloseTo((20 / 80 + 0 + 30 / 130) / 3, 12);
    expect(ttft?.median).toBeCloseTo(30 / 130, 12);
  });
});

describe("objectives where nobody asks for any", () => {
  it("are 1.5 times what one function of the largest size takes, with margin", () => {
    // 4 processors. TTFT: 4 + 10 + 1000 · 1 + 2 layers (4 experts · 2 + 2000 rows · 0.5); TPOT: 6 + 2 (0.5 + 2 · 1).
    const { ttftMs, tpotMs } = usualObjectives({ ...tinyProblem, margin: bothKinds({ ttft: 1.2, tpot: 1 }) });
    expect(ttftMs).toBeCloseTo(1.5 * 1.2 * 3030, 6);
    expect(tpotMs).toBeCloseTo(1.5 * 11, 6);
  });
});

describe("what one plan for all requests is made for", () => {
  const { sizes, profile, prices, specs, slo } = tinyProblem;
  const record = (prefill: readonly number[], decode: readonly number[]): HistoryRecord => ({
    id: "past",
    time: 0,
    domain: null,
    vector: new Float32Array(),
    tokens: [],
    prefill: Uint32Array.from(prefill),
    decode: Uint32Array.from(decode),
    prefillSample: { tokens: new Uint32Array(), experts: new Uint16Array() },
    decodeSample: { tokens: new Uint32Array(), experts: new Uint16Array() },
  });
  const common = commonProblem(
    { sizes, profile, prices, specs, slo },
    [
      record([10, 6, 4, 0, 2, 0, 0, 0], [2, 2, 0, 0, 2, 2, 0, 0]),
      record([0, 20, 0, 20, 0, 0, 2, 0], [20, 20, 0, 0, 20, 20, 0, 0]),
      record([6, 6, 4, 4, 1, 0, 0, 1], [4, 4, 0, 0, 4, 4, 0, 0]),
    ],
    10,
  );

  it("is as long as the longest of a few prompts, with an answer in the middle", () => {
    expect(common.workload).toEqual({ promptTokens: 20, outputTokens: 4 });
  });

  it("activates what all of them did together", () => {
    const shares = [16 / 80, 32 / 80, 8 / 80, 24 / 80, 3 / 6, 0, 2 / 6, 1 / 6];
    expect(common.demand.matrix).toEqual(Float32Array.from(shares));
  });
});

describe("modelled costs of GPT2-moe in the paper's setting", () => {
  const methods = ["cpu", "fetch", "lambdaml", "remoe"];
  const comparison = modelCosts({ model: "gpt2-moe", workload: WORKLOAD, requests: 3, methods });

  it("say what they are of", () => {
    expect(comparison).toMatchObject({ kind: "modelled", model: "gpt2-moe", priceBook: "remoe-paper", requests: 3 });
    expect(Object.keys(comparison.methods)).toEqual(methods);
  });

  it("are less with Remoe than in one function on the processor, within the objectives on the true demand", () => {
    const { cpu, remoe } = comparison.methods;
    expect(remoe?.mean).toBeLessThan(cpu?.mean ?? 0);
    expect(remoe).toMatchObject({ feasible: 1, met: 1 });
  });

  it("are the same each time", () => {
    expect(modelCosts({ model: "gpt2-moe", workload: WORKLOAD, requests: 3, methods })).toEqual(comparison);
  });

  it("have a chart with a bar for each method, Remoe's in its own colour, and one over lengths", () => {
    const [panel] = toCostChart([comparison]).panels;
    expect(panel?.groups[0]?.map(({ label, series }) => [label, series])).toEqual([
      ["CPU", 0],
      ["Fetch", 0],
      [expect.stringContaining("LambdaML"), 0],
      ["Remoe", 1],
    ]);
    const ratios = toRatioChart([comparison, { ...comparison, workload: { promptTokens: 512, outputTokens: 32 } }]);
    expect(ratios.panels[0]?.groups.map(([first]) => first?.label)).toEqual(["125:200, CPU", "512:32, CPU"]);
    expect(renderChart(ratios)).toContain(">$61.06<");
  });
});

it("Remoe comes last of the methods, after what the paper compares it with", () => {
  expect([...METHODS.keys()].at(-1)).toBe("remoe");
  expect([...METHODS.keys()]).toEqual(expect.arrayContaining(["cpu", "gpu", "fetch", "mix", "paper"]));
});
