import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SpeedCurve } from "./cost-profile.ts";
import { evaluate } from "./evaluate.ts";
import type { Decision } from "./evaluation.ts";
import { expertsNeedMb, mainNeedMb } from "./memory-needs.ts";
import { paper } from "./paper-planner.ts";
import { planNow } from "./planner.ts";
import type { PlanningProblem } from "./problem.ts";
import { randomProblem } from "./testing/random-problem.ts";
import { tinyProblem, tinyProfile, toSets } from "./testing/tiny-problem.ts";

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
    expect(found.split).toBeGreaterThan(100);
    expect(found.replicated).toBeGreaterThan(50);
    expect(found.infeasible).toBeGreaterThan(20);
  });

  it("makes the least useful experts of every layer remote, the same number of each", () => {
    const decision = planNow(paper, { ...tinyProblem, specs: { ...tinyProblem.specs, experts: [256] } });
    expect(decision?.placement.plan.layers.map(({ remote }) => remote)).toEqual([
      [2, 3],
      [0, 1],
    ]);
  });

  it("gives remote functions no more memory than makes them faster", () => {
    const flat = (ms: number): SpeedCurve => ({ vcpus: [0.5], ms: [ms] });
    const remote = { decodeLayer: flat(1), decodeRow: flat(1), prefillExpert: flat(1), prefillRow: flat(1) };
    const decision = planNow(paper, { ...tinyProblem, profile: { ...tinyProfile, remote } });
    expect(decision?.placement.plan.layers.map(({ memoryMb }) => memoryMb)).toEqual([512, 512]);
  });

  it("is infeasible where the worst case is too slow with the most memory, even if the expected case is not", () => {
    const problem = {
      ...tinyProblem,
      specs: { ...tinyProblem.specs, main: [512, 768], experts: [256] },
      // Calls are slow, but no token is expected to need one.
      profile: { ...tinyProfile, wire: { ...tinyProfile.wire, callMs: 30 } },
      demand: { matrix: tinyProblem.demand.matrix, sets: [toSets([[0, 1], 1]), toSets([[2, 3], 1])] },
    };
    const tooSlow = planNow(paper, { ...problem, slo: { ttftMs: null, tpotMs: 1 } });
    const expectedMs = tooSlow?.evaluation.tpotMs ?? 0;
    const worstMs = tooSlow?.evaluation.violations[0]?.expectedMs ?? 0;
    expect(worstMs).toBeGreaterThan(expectedMs);
    const limitMs = (expectedMs + worstMs) / 2;
    const decision = planNow(paper, { ...problem, slo: { ttftMs: null, tpotMs: limitMs } });
    expect(decision?.feasible).toBe(false);
    expect(decision?.evaluation.violations).toEqual([{ objective: "tpot", limitMs, expectedMs: worstMs }]);
    expect(decision?.placement.plan.specMain.memoryMb).toBe(768);
  });

  it("has no plan where nothing fits", () => {
    expect(planNow(paper, { ...tinyProblem, specs: { ...tinyProblem.specs, main: [256] } })).toBeNull();
  });

  it("has the same plan for the same problem, and after prices changed by a factor", () => {
    const problem = randomProblem(7);
    const decision = planNow(paper, problem);
    const dear = { ...problem, prices: { ...problem.prices, unit: { name: "USD", price: 3 } } };
    expect(planNow(paper, problem)).toEqual(decision);
    expect(planNow(paper, dear)?.placement).toEqual(decision?.placement);
    expect(planNow(paper, dear)?.evaluation.cost).toBeCloseTo(3 * (decision?.evaluation.cost ?? 0), 9);
  });
});
