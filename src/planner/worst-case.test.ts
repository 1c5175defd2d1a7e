import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluate, splitDevices } from "./evaluate.ts";
import { largestPlan } from "./largest-plan.ts";
import { hoeffdingBound } from "./load-bound.ts";
import { bothKinds } from "./plan-kind.ts";
import type { PlanningProblem } from "./problem.ts";
import { randomProblem } from "./testing/random-problem.ts";
import { tinyProblem, toSets } from "./testing/tiny-problem.ts";
import { selectUniform } from "./uniform-selection.ts";
import { worstCase } from "./worst-case.ts";

function place(problem: PlanningProblem, remoteRatio: number) {
  const bound = hoeffdingBound(problem.sizes);
  const selection = selectUniform(problem, remoteRatio);
  const mainMb = problem.specs.main.at(-1) as number;
  return {
    bound,
    placement: { plan: largestPlan(problem, { mainMb, selection, bound }), devices: splitDevices(problem.profile) },
  };
}

describe("the worst case of a placement", () => {
  it("is what is expected where nothing is remote", () => {
    const { bound, placement } = place(tinyProblem, 0);
    const { ttftMs, tpotMs } = evaluate(tinyProblem, placement);
    const worst = worstCase(tinyProblem, bound, placement);
    expect(worst.ttftMs).toBeCloseTo(ttftMs, 3);
    expect(worst.tpotMs).toBeCloseTo(tpotMs, 9);
  });

  it("has as many rows remote as the bound says", () => {
    // Two of four experts, two a token: 1000 ± 2 √1500 rows, so 1077.46 of 2000, by two virtual processors.
    const { bound, placement } = place(tinyProblem, 0.5);
    const rows = 1000 + 2 * Math.sqrt(1500);
    const calls = 2 * 3 + (1000 + rows) * 0.25;
    const layerMs = calls + 2 * 2 + rows * 0.5;
    expect(worstCase(tinyProblem, bound, placement).ttftMs).toBeCloseTo(4 + 10 + 1000 + 2 * layerMs, 1);
  });

  it("is not exceeded by what is expected of the least useful experts", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 4 }), (seed, quarters) => {
        const problem = randomProblem(seed);
        const { bound, placement } = place({ ...problem, specs: { ...problem.specs, maxReplicas: 1 } }, quarters / 4);
        const worst = worstCase(problem, bound, placement);
        // The remote experts are those with the least shares: fewer rows than uniform routing gives them.
        expect(evaluate(problem, placement).ttftMs).toBeLessThanOrEqual(worst.ttftMs * (1 + 1e-5));
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("names each missed objective once, with margin", () => {
    const slow: PlanningProblem = {
      ...tinyProblem,
      slo: { ttftMs: 1, tpotMs: 1 },
      margin: bothKinds({ ttft: 2, tpot: 1.5 }),
      demand: { matrix: tinyProblem.demand.matrix, sets: [toSets([[0, 1], 1]), toSets([[0, 1], 1])] },
    };
    const { bound, placement } = place(slow, 0.5);
    const { ttftMs, tpotMs, violations } = worstCase(slow, bound, placement);
    expect(violations).toEqual([
      { objective: "ttft", limitMs: 1, expectedMs: 2 * ttftMs },
      { objective: "tpot", limitMs: 1, expectedMs: 1.5 * tpotMs },
    ]);
  });
});
