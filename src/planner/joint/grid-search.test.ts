import { describe, expect, it } from "vitest";
import { exact } from "../exact.ts";
import { mainNeedMb } from "../memory-needs.ts";
import { planNow } from "../planner.ts";
import type { PlanningProblem } from "../problem.ts";
import { randomInstance } from "../testing/random-instance.ts";
import { GridSearch, type RelaxedMain } from "./grid-search.ts";
import { LayerDemand } from "./layer-demand.ts";
import { OptionGrid } from "./option-grid.ts";

/** Without a device, and with one main function that is too small for every expert. */
function splitProblem(seed: number): PlanningProblem {
  const { profile, specs, ...problem } = randomInstance(seed, { isCold: false });
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
  const demands = problem.sizes.expertMb.map((_, layer) => new LayerDemand(problem, layer));
  const replicas = Array.from({ length: problem.specs.maxReplicas }, (_, i) => i + 1);
  const columns = replicas.flatMap((z) => problem.specs.experts.map((mb) => ({ memoryMb: mb, replicas: z })));
  const all = Array.from({ length: problem.sizes.experts + 1 }, (_, r) => r);
  const grid = new OptionGrid(problem, demands, { counts: demands.map(() => all), columns, isEven: false });
  for (const layer of demands.keys()) grid.fillLayer(layer);
  const search = new GridSearch(grid);
  const [memoryMb = 0] = problem.specs.main;
  const steps = search.relax({ memoryMb, columns: { from: 0, end: columns.length } }, Number.POSITIVE_INFINITY);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

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
