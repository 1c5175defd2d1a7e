import { describe, expect, it } from "vitest";
import { exact } from "../exact.ts";
import { mainNeedMb } from "../memory-needs.ts";
import { planNow } from "../planner.ts";
import type { PlanningProblem } from "../problem.ts";
import { randomInstance } from "../testing/random-instance.ts";
import { GridSearch, type RelaxedMain } from "./grid-search.ts";
import { fullGrid } from "./testing/full-grid.ts";

/** Without a device, and with one main function that is too small for every expert. */
function splitProblem(seed: number, isCold = false): PlanningProblem {
  const { profile, specs, ...problem } = randomInstance(seed, { isCold });
  const largest = specs.main.filter((mb) => mb < mainNeedMb(problem.sizes, "cpu", [])).slice(-1);
  return { ...problem, profile: { ...profile, mix: null, gpu: null }, specs: { ...specs, main: largest } };
}

/** Objectives so many times as long as what its cheapest plan takes. */
function withSlo(problem: PlanningProblem, share: number): PlanningProblem | null {
  const evaluation = planNow(exact, problem)?.evaluation;
  if (evaluation === undefined) return null;
  return { ...problem, slo: { ttftMs: share * evaluation.ttftMs, tpotMs: share * evaluation.tpotMs } };
}

/** Of a grid of every option. */
function relax(problem: PlanningProblem): RelaxedMain | null {
  const grid = fullGrid(problem);
  const search = new GridSearch(grid);
  const [memoryMb = 0] = problem.specs.main;
  const steps = search.relax({ memoryMb, columns: { from: 0, end: grid.columns.length } }, Number.POSITIVE_INFINITY);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

describe("the bound of a main function", () => {
  it.each([
    ["warm", 150],
    ["cold", 60],
  ])("is no more than what the cheapest plan beside it costs, %s", (state, instances) => {
    let compared = 0;
    for (let seed = 0; seed < instances; seed++) {
      const free = splitProblem(seed, state === "cold");
      if (state === "cold" && free.sizes.layers * free.sizes.experts > 12) continue;
      const problem = withSlo(free, [1.5, 1.02, 0.98][seed % 3] as number);
      const best = problem === null ? null : planNow(exact, problem);
      if (problem === null || best?.feasible !== true) continue;
      const bound = relax(problem)?.relaxed.bound ?? Number.POSITIVE_INFINITY;
      expect(bound, `instance ${seed}`).toBeLessThanOrEqual(best.evaluation.cost * (1 + 1e-9));
      compared++;
    }
    expect(compared).toBeGreaterThan(10);
  });
});

describe("what is called out of reach", () => {
  it("has no plan that meets the objectives", () => {
    const said = { outOfReach: 0, withinReach: 0 };
    for (let seed = 0; seed < 150; seed++) {
      const problem = withSlo(splitProblem(seed), [1.5, 0.9, 0.5][seed % 3] as number);
      const main = problem === null ? null : relax(problem);
      if (problem === null || main === null) continue;
      const isFeasible = planNow(exact, problem)?.feasible === true;
      said[main.isWithinReach ? "withinReach" : "outOfReach"]++;
      if (!main.isWithinReach) expect(isFeasible).toBe(false);
    }
    expect(said.outOfReach).toBeGreaterThan(20);
    expect(said.withinReach).toBeGreaterThan(20);
  });
});
