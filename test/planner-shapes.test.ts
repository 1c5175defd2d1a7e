import { describe, expect, it } from "vitest";
import { planningProblems, SETTINGS, syntheticDemands } from "../bench/plan-problems.ts";
import { BASELINES } from "../src/planner/baselines/baselines.ts";
import type { Decision } from "../src/planner/evaluation.ts";
import type { PlanningProblem } from "../src/planner/problem.ts";
import { remoe } from "../src/planner/remoe-planner.ts";
import { SHAPES, specsOf } from "../src/profile/modelled/model-shape.ts";

const shape = SHAPES.get("deepseek-v2-lite");
if (shape === undefined) throw new Error("the shape is gone");
const specs = specsOf(shape);
const demands = syntheticDemands(shape, { count: 2, seed: 7 });
/** More than this is a search that goes round in circles. */
const MOST_STEPS = 5_000;

function decide(problem: PlanningProblem, name?: string): Decision | null {
  const planner = name === undefined ? remoe : BASELINES.get(name);
  const steps = (planner ?? remoe).plan(problem);
  for (let step = 0; step < MOST_STEPS; step++) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
  throw new Error(`no decision after ${MOST_STEPS} steps`);
}

/** Three times, just as much as, and less than one large function takes; `null`: no objectives. */
const SLACKS = [null, 3, 1.2, 0.9, 0.2];

describe.each(SETTINGS)("DeepSeek-V2-Lite on $host with $prices", (setting) => {
  it.each([false, true])("is planned for in the end, and no dearer than in one function, cold: %s", (isCold) => {
    for (const slack of SLACKS) {
      for (const warm of planningProblems({ shape, setting, specs, slack, demands })) {
        const problem = { ...warm, isCold };
        const own = decide(problem);
        expect(own).not.toBeNull();
        for (const name of ["cpu", "mix", "gpu"]) {
          const baseline = decide(problem, name);
          if (baseline?.feasible !== true) continue;
          expect(own?.feasible).toBe(true);
          expect(own?.evaluation.cost).toBeLessThanOrEqual(baseline.evaluation.cost * (1 + 1e-9));
        }
      }
    }
  });

  it("costs no more with looser objectives, up to a tenth of a percent", () => {
    for (const index of demands.keys()) {
      const costs = [1.2, 2, 3, null].map((slack) => {
        const problem = planningProblems({ shape, setting, specs, slack, demands })[index];
        return decide(problem as PlanningProblem)?.evaluation.cost ?? Number.NaN;
      });
      for (const [i, cost] of costs.slice(1).entries()) expect(cost).toBeLessThanOrEqual((costs[i] ?? 0) * 1.001);
    }
  });
});
