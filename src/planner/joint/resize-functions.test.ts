import { describe, expect, it } from "vitest";
import type { Decision } from "../evaluation.ts";
import { planNow } from "../planner.ts";
import type { PlanningProblem } from "../problem.ts";
import { remoe } from "../remoe-planner.ts";
import { randomInstance, withIdlePrices } from "../testing/random-instance.ts";
import { tinyProblem } from "../testing/tiny-problem.ts";
import { decide } from "./decide-split.ts";
import { LayerDemand } from "./layer-demand.ts";
import { resizeFunctions } from "./resize-functions.ts";

const demandsOf = (problem: PlanningProblem): LayerDemand[] =>
  problem.sizes.expertMb.map((_, layer) => new LayerDemand(problem, layer));

function resize(problem: PlanningProblem, decision: Decision): Decision {
  const steps = resizeFunctions({ problem, demands: demandsOf(problem) }, decision);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Two experts of each layer in a function of its own. */
function eachAlone(problem: PlanningProblem, memoryMb: number): Decision {
  const demands = demandsOf(problem);
  const layers = demands.map((demand, layer) => {
    const remote = demand.remote(2);
    return { layer, remote, function: `experts-${layer}`, memoryMb, replicas: [remote] };
  });
  return decide({ problem, demands }, { specMain: { memoryMb: 1024 }, layers });
}

function sizesOf({ placement }: Decision): unknown {
  return placement.plan.layers.map(({ function: name, memoryMb }) => [name, memoryMb]);
}

describe("functions of other sizes", () => {
  const held = withIdlePrices(
    { ...tinyProblem, specs: { ...tinyProblem.specs, experts: [300, 460, 700], maxReplicas: 1 } },
    1,
  );

  it("are shared where holding one is cheaper than holding two", () => {
    expect(sizesOf(resize(held, eachAlone(held, 300)))).toEqual([
      ["experts-0-1", 460],
      ["experts-0-1", 460],
    ]);
  });

  it("are larger where only these meet an objective", () => {
    const given = eachAlone(held, 300);
    const slo = { ttftMs: null, tpotMs: 0.8 * given.evaluation.tpotMs };
    const found = resize({ ...held, slo }, { ...given, feasible: false });
    expect(found.feasible).toBe(true);
    expect(found.evaluation.tpotMs).toBeLessThanOrEqual(slo.tpotMs);
  });

  it("are no smaller than their experts need, and none where no size holds them", () => {
    const decision = eachAlone(held, 300);
    const tooSmall = { ...held, specs: { ...held.specs, experts: [100, 200] } };
    expect(resize(tooSmall, decision)).toEqual(decision);
  });

  it("are never worse", () => {
    for (let seed = 0; seed < 60; seed++) {
      const problem = withIdlePrices(randomInstance(seed, { isCold: seed % 2 === 0 }), 0.5);
      const given = planNow(remoe, problem);
      if (given === null) throw new Error("nothing fits");
      expect(resize(problem, given).evaluation.cost).toBeLessThanOrEqual(given.evaluation.cost);
    }
  });
});
