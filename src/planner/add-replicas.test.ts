import { describe, expect, it } from "vitest";
import { addReplicas } from "./add-replicas.ts";
import type { LayerPlan, Plan } from "./plan.ts";
import type { PlanningProblem } from "./problem.ts";
import { tinyProblem } from "./testing/tiny-problem.ts";

function start(): Plan {
  const layer = (index: number): LayerPlan => {
    const remote = [0, 1, 2, 3];
    return { layer: index, remote, function: `experts-${index}`, memoryMb: 1024, replicas: [remote] };
  };
  return { specMain: { memoryMb: 2048 }, layers: [layer(0), layer(1)] };
}

function counts(problem: PlanningProblem, isFastEnough: (plan: Plan) => boolean): number[] {
  const steps = addReplicas(problem, start(), isFastEnough);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value.layers.map(({ replicas }) => replicas.length);
  }
}

/** Each call costs so much that replicas never pay. */
const dearCalls: PlanningProblem = {
  ...tinyProblem,
  prices: { ...tinyProblem.prices, perRequest: 1000 },
  specs: { ...tinyProblem.specs, maxReplicas: 3 },
};
describe("replicas by their potential", () => {
  it("are none where each costs more than it saves and the first token comes in time", () => {
    expect(counts(dearCalls, () => true)).toEqual([1, 1]);
  });

  it("are added at a loss until the first token comes in time, to the layer that loses least", () => {
    const { sets } = tinyProblem.demand;
    // Two replicas halve the second layer, but the first has one expert with most of its rows.
    const skewed = {
      ...dearCalls,
      demand: { sets, matrix: Float32Array.of(0.7, 0.1, 0.1, 0.1, 0.25, 0.25, 0.25, 0.25) },
    };
    const isFastEnough = ({ layers }: Plan): boolean => layers.some(({ replicas }) => replicas.length > 1);
    expect(counts(skewed, isFastEnough)).toEqual([1, 2]);
  });

  it("are as many as there may be where that is still too late", () => {
    expect(counts(dearCalls, () => false)).toEqual([3, 3]);
  });

  it("are added while they save", () => {
    const problem = { ...tinyProblem, specs: { ...tinyProblem.specs, maxReplicas: 9 } };
    // A third replica shortens the fullest of 3/8, 3/8, 1/8, 1/8, but not that of four equal experts.
    expect(counts({ ...problem, workload: { promptTokens: 1000, outputTokens: 0 } }, () => true)).toEqual([3, 2]);
  });

  it("are no more than there are experts", () => {
    const problem = { ...dearCalls, specs: { ...tinyProblem.specs, maxReplicas: 9 } };
    expect(counts(problem, () => false)).toEqual([4, 4]);
  });
});
