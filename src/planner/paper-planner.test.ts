import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluate } from "./evaluate.ts";
import type { Decision } from "./evaluation.ts";
import { expertsNeedMb, mainNeedMb } from "./memory-needs.ts";
import { paper } from "./paper-planner.ts";
import { planNow } from "./planner.ts";
import type { PlanningProblem } from "./problem.ts";
import { randomProblem } from "./testing/random-problem.ts";
import { tinyProblem } from "./testing/tiny-problem.ts";

function expectFits({ sizes, specs }: PlanningProblem, { placement }: Decision): void {
  const { specMain, layers } = placement.plan;
  const counts = Array.from({ length: sizes.layers }, (_, layer) => layers.find((own) => own.layer === layer));
  expect(specs.main).toContain(specMain.memoryMb);
  expect(specMain.memoryMb).toBeGreaterThanOrEqual(
    mainNeedMb(
      sizes,
      placement.devices,
      counts.map((own) => own?.remote.length ?? 0),
    ),
  );
  for (const { layer, remote, memoryMb, replicas } of layers) {
    expect(specs.experts).toContain(memoryMb);
    expect(memoryMb).toBeGreaterThanOrEqual(expertsNeedMb(sizes, layer, remote.length));
    expect(replicas.length).toBeLessThanOrEqual(specs.maxReplicas);
    expect(replicas.flat().sort((a, b) => a - b)).toEqual([...remote].sort((a, b) => a - b));
  }
}

describe("the paper's planner", () => {
  it("keeps memory and objectives whenever it says that its plan is feasible", () => {
    const found = { feasible: 0, split: 0, replicated: 0, infeasible: 0 };
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const problem = randomProblem(seed);
        const decision = planNow(paper, problem);
        if (decision === null) return;
        expectFits(problem, decision);
        const { layers } = decision.placement.plan;
        if (!decision.feasible) {
          found.infeasible++;
          expect(decision.evaluation.violations).not.toEqual([]);
          return;
        }
        found.feasible++;
        if (layers.length > 0) found.split++;
        if (layers.some(({ replicas }) => replicas.length > 1)) found.replicated++;
        expect(decision.evaluation.violations).toEqual([]);
        expect(evaluate(problem, decision.placement)).toEqual(decision.evaluation);
      }),
      { seed: 1, numRuns: 400 },
    );
    console.log(found);
  });
});
