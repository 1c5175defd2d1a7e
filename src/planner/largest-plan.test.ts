import { describe, expect, it } from "vitest";
import { largestPlan } from "./largest-plan.ts";
import { hoeffdingBound } from "./load-bound.ts";
import type { PlanningProblem } from "./problem.ts";
import { tinyProblem } from "./testing/tiny-problem.ts";

function plan(payloadHiddenStates: number | null, maxReplicas = 4) {
  const problem: PlanningProblem = {
    ...tinyProblem,
    specs: { ...tinyProblem.specs, maxReplicas },
    profile: { ...tinyProblem.profile, wire: { ...tinyProblem.profile.wire, payloadHiddenStates } },
  };
  const selection = [[0, 2, 3], []];
  return largestPlan(problem, { mainMb: 2048, selection, bound: hoeffdingBound(problem.sizes) });
}

describe("the largest plan", () => {
  it("gives each split layer a function of the largest size", () => {
    expect(plan(null)).toEqual({
      specMain: { memoryMb: 2048 },
      layers: [{ layer: 0, remote: [0, 2, 3], function: "experts-0", memoryMb: 2048, replicas: [[0, 2, 3]] }],
    });
  });

  it("has as few replicas as bring a batch of the worst case into one payload", () => {
    // 1000 tokens in 2 batches, 1538.7 rows at worst, 538.7 of one expert: one replica has 1538.7 of them, of two 1038.7.
    const replicas = (payload: number): number => plan(payload).layers[0]?.replicas.length ?? 0;
    expect(replicas(1270)).toBe(1);
    expect(replicas(1269)).toBe(2);
    expect(plan(1269).layers[0]?.replicas).toEqual([[0], [2, 3]]);
  });

  it("has no more replicas than there may be", () => {
    expect(plan(1, 2).layers[0]?.replicas).toHaveLength(2);
  });
});
