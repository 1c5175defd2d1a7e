import { describe, expect, it } from "vitest";
import { planCharts } from "../bench/plan-chart.ts";
import { checkCosts, type PlanCase } from "../bench/plan-checks.ts";
import { comparePlanners, type PlannerResult } from "../bench/plan-comparison.ts";
import { timeDecisions } from "../bench/plan-decision.ts";
import { fittedMs, measuredCurve, phaseTimes } from "../bench/plan-figures.ts";
import { gapToExact } from "../bench/plan-gap.ts";
import { planningProblems, SETTINGS, syntheticDemands } from "../bench/plan-problems.ts";
import { timePlan } from "../bench/plan-timing.ts";
import type { CostProfile } from "../src/planner/cost-profile.ts";
import type { Planner } from "../src/planner/planner.ts";
import { tinyProblem, tinyProfile } from "../src/planner/testing/tiny-problem.ts";
import { type ModelShape, SHAPES, specsOf } from "../src/profile/modelled/model-shape.ts";
import { runRemoe } from "./run-remoe.ts";

const gpt2 = SHAPES.get("gpt2-moe") as ModelShape;

/** A clock that has moved on by the next of these at each look. */
function clockOf(...steps: readonly number[]): () => number {
  let [now, look] = [0, 0];
  return () => {
    now += steps[look++] ?? 0;
    return now;
  };
}

describe("timing a planner", () => {
  it("tells the whole time from that of the longest step", () => {
    const planner: Planner = {
      name: "three steps",
      *plan() {
        yield;
        yield;
        return null;
      },
    };
    const timed = timePlan(planner, tinyProblem, { wall: clockOf(100, 2, 5, 1), processor: clockOf(50, 6) });
    expect(timed).toEqual({ decision: null, ms: 8, processorMs: 6, longestStepMs: 5 });
  });
});

describe("timing a gateway's decisions", () => {
  it("times those that a plan is made for, those that find theirs, and the longest step", async () => {
    let looks = 0;
    const demands = syntheticDemands(gpt2, { count: 2, seed: 1 });
    const options = { shape: gpt2, setting: SETTINGS[0], specs: specsOf(gpt2), slack: 1.2, demands, isCold: true };
    const timed = await timeDecisions(planningProblems(options), () => looks++);
    const [cached, anew] = [timed.cachedTimesMs, timed.decisionTimesMs];
    expect([cached.length, anew.length]).toEqual([2, 2]);
    // A look at the clock before and after each step: who makes a plan takes more of them.
    expect(Math.max(...cached)).toBeLessThan(Math.min(...anew));
    expect(timed.decisionLongestStepMs).toBeGreaterThan(0);
    expect(timed.decisionLongestStepMs).toBeLessThan(Math.min(...anew));
  });
});

describe("planning problems", () => {
  const demands = syntheticDemands(gpt2, { count: 2, seed: 1 });
  const problemsWith = (slack: number | null) =>
    planningProblems({ shape: gpt2, setting: SETTINGS[0], specs: specsOf(gpt2), slack, demands });

  it("have the same objectives for all requests, in proportion to the slack", () => {
    const [loose, tight] = [problemsWith(3), problemsWith(1.5)];
    expect(new Set(loose.map(({ slo }) => slo.tpotMs)).size).toBe(1);
    expect(loose[0]?.slo.tpotMs).toBeCloseTo(2 * (tight[0]?.slo.tpotMs ?? 0));
    expect(loose[0]?.slo.ttftMs).toBeCloseTo(2 * (tight[0]?.slo.ttftMs ?? 0));
    expect(problemsWith(null)[0]?.slo).toEqual({ ttftMs: null, tpotMs: null });
  });

  it("take longer the more tokens there are, in prefill and decode each", () => {
    const [problem] = problemsWith(null);
    const times = problem === undefined ? [] : phaseTimes(problem);
    const at = (promptTokens: number, outputTokens: number) =>
      times.find((each) => each.promptTokens === promptTokens && each.outputTokens === outputTokens);
    expect(at(32, 400)?.decodeMs).toBeCloseTo(2 * (at(32, 200)?.decodeMs ?? 0));
    expect(at(512, 50)?.prefillMs).toBeGreaterThan(at(125, 50)?.prefillMs ?? Number.POSITIVE_INFINITY);
    expect(at(125, 50)?.prefillMs).toBe(at(125, 400)?.prefillMs);
  });
});

describe("comparing planners", () => {
  const comparison = comparePlanners([tinyProblem, tinyProblem], { wall: () => 0, processor: () => 0 });
  const of = (name: string) => comparison.planners.find(({ planner }) => planner === name);

  it("compares each planner's cost with Remoe's, request by request", () => {
    expect(of("remoe")).toMatchObject({ feasible: 2, remoeOver: { least: 1, greatest: 1 }, unmatched: 0 });
    const cpu = of("cpu");
    expect(cpu?.remoeOver?.greatest).toBeCloseTo((of("remoe")?.cost ?? 0) / (cpu?.cost ?? 0));
  });

  it("has no costs of planners that find no plan", () => {
    expect(of("gpu")).toEqual({ planner: "gpu", feasible: 0, cost: null, remoeOver: null, unmatched: 0 });
  });

  it("counts what is remote", () => {
    expect(comparison.remoteShare).toBeGreaterThanOrEqual(0);
    expect(comparison.split === 0).toBe(comparison.remoteShare === 0);
  });
});

/** A case in which Remoe's cost is so many times each planner's. */
function caseOf(slack: number, planners: readonly PlannerResult[]): PlanCase {
  return {
    setting: SETTINGS[0],
    slack,
    requests: 1,
    slo: { ttftMs: null, tpotMs: null },
    planTimesMs: [1],
    processorTimesMs: [1],
    coldTimesMs: [1],
    coldLongestStepMs: 1,
    decisionTimesMs: [1],
    cachedTimesMs: [1],
    decisionLongestStepMs: 1,
    longestStepMs: 1,
    planners: [result("remoe", 1), ...planners],
    split: 1,
    remoteShare: 0.5,
  };
}

function result(planner: string, ratio: number, unmatched = 0): PlannerResult {
  return { planner, feasible: 1, cost: 1 / ratio, remoeOver: { least: ratio, greatest: ratio }, unmatched };
}

describe("checking costs", () => {
  const shapes = [
    { name: "small", cases: [caseOf(3, [result("paper", 0.5), result("cpu", 0.8), result("mix", 0.9, 1)])] },
    { name: "large", cases: [caseOf(1.2, [result("paper", 1), result("cpu", 1.1), result("mix", 0.7)])] },
  ];

  it("holds where Remoe never costs more, and says where it came closest", () => {
    const worst = { shape: "large", setting: SETTINGS[0], slack: 1.2, ratio: 1 };
    expect(checkCosts(shapes)[0]).toEqual({ planner: "paper", holds: true, worst, unmatched: 0 });
  });

  it("fails where it costs more once, or has no plan where the other has", () => {
    expect(checkCosts(shapes).map(({ planner, holds }) => [planner, holds])).toEqual([
      ["paper", true],
      ["cpu", false],
      ["mix", false],
    ]);
  });
});

describe("the time of experts against memory", () => {
  const profileOf = (ms: (gib: number) => number): CostProfile => {
    const vcpus = [0.5, 1, 2, 4];
    const none = { vcpus, ms: vcpus.map(() => 0) };
    const remote = { ...tinyProfile.remote, decodeLayer: none, decodeRow: { vcpus, ms: vcpus.map(ms) } };
    return { ...tinyProfile, remote };
  };

  it("is that of all rows of a token, and fitted by an exponential", () => {
    const curve = measuredCurve(
      profileOf((gib) => 3 * Math.exp(-2 * gib) + 1),
      2,
    );
    expect(curve.fit).toMatchObject({ theta1: expect.closeTo(6, 3), theta2: expect.closeTo(2, 3) });
    if ("failure" in curve.fit) return;
    for (const { memory, ms } of curve.points) expect(fittedMs(curve.fit, memory)).toBeCloseTo(ms);
  });

  it("says why it has no fit", () => {
    expect(
      measuredCurve(
        profileOf(() => 1),
        2,
      ).fit,
    ).toEqual({ failure: expect.stringContaining("does not fall") });
  });
});

describe("the gap to the exact optimum", () => {
  it("is never negative, and the same for the same seed", () => {
    const gapOf = (seed: number) => {
      const steps = gapToExact({ shape: gpt2, instances: 2, seed });
      for (;;) {
        const { done, value } = steps.next();
        if (done === true) return value;
      }
    };
    const gap = gapOf(5);
    expect(gap.instances).toBe(2);
    expect(gap.missed).toBe(0);
    expect(gap.worst ?? 0).toBeGreaterThanOrEqual(0);
    expect(gapOf(5)).toEqual(gap);
  });
});

describe("charts", () => {
  it("are left out where there is nothing to draw", () => {
    expect(planCharts({ shapes: [], phases: [], memory: [] })).toEqual([]);
  });
});

describe("remoe bench plan", () => {
  it("compares planners on a small shape", async () => {
    const args = ["--shapes", "gpt2-moe", "--prompts", "1", "--instances", "1", "--json"];
    const { code, stdout } = await runRemoe(["bench", "plan", ...args]);
    expect(code).toBe(0);
    const { schemaVersion, shapes, checks, phases, memory, coverage } = JSON.parse(stdout);
    expect(schemaVersion).toBe(1);
    expect(shapes).toHaveLength(1);
    expect(shapes[0]).toMatchObject({ name: "gpt2-moe", layers: 12, experts: 8, planMs: expect.any(Number) });
    expect(shapes[0]).toMatchObject({ decisionMs: expect.any(Number), cachedDecisionMs: expect.any(Number) });
    expect(shapes[0].costRemoe).toBeLessThanOrEqual(shapes[0].costPaper * (1 + 1e-9));
    expect(shapes[0]).toHaveProperty("gapToExact");
    expect(checks.map(({ planner }: { planner: string }) => planner)).toContain("uniform-memory");
    expect([phases.length > 0, memory.length, coverage]).toEqual([true, 1, null]);
  });

  it("wants both histories or none", async () => {
    const { code, stderr } = await runRemoe(["bench", "plan", "--history", "some.history"]);
    expect(code).toBe(2);
    expect(stderr).toContain("--history and --test need each other");
  });
});
