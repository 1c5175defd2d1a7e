import { describe, expect, it } from "vitest";
import type { Plan } from "../planner/plan.ts";
import { PlanCache, type PlanKey } from "./plan-cache.ts";

const planOf = (memoryMb: number): Plan => ({ specMain: { memoryMb }, layers: [] });
const keyOf = (more: Partial<PlanKey> = {}): PlanKey => ({
  group: 1,
  source: "prompt",
  workload: { promptTokens: 100, outputTokens: 60 },
  ...more,
});

describe("a plan cache", () => {
  it("has a plan for requests of the same group with lengths within a factor of two", () => {
    const cache = new PlanCache();
    const added = cache.add(keyOf(), { plan: planOf(512), slowness: 1 });
    expect(cache.find(keyOf())).toBe(added);
    expect(cache.find(keyOf({ workload: { promptTokens: 127, outputTokens: 32 } }))).toBe(added);
  });

  it("has none for other groups, lengths and kinds of prediction", () => {
    const cache = new PlanCache();
    cache.add(keyOf(), { plan: planOf(512), slowness: 1 });
    expect(cache.find(keyOf({ group: 2 }))).toBeNull();
    expect(cache.find(keyOf({ group: null }))).toBeNull();
    expect(cache.find(keyOf({ source: "global" }))).toBeNull();
    expect(cache.find(keyOf({ workload: { promptTokens: 128, outputTokens: 60 } }))).toBeNull();
    expect(cache.find(keyOf({ workload: { promptTokens: 100, outputTokens: 64 } }))).toBeNull();
  });

  it("forgets the plan that was not asked for the longest", () => {
    const cache = new PlanCache();
    for (let group = 0; group < 64; group++) cache.add(keyOf({ group }), { plan: planOf(group), slowness: 1 });
    cache.find(keyOf({ group: 0 }));
    cache.add(keyOf({ group: 64 }), { plan: planOf(64), slowness: 1 });
    expect(cache.find(keyOf({ group: 0 }))?.plan).toEqual(planOf(0));
    expect(cache.find(keyOf({ group: 1 }))).toBeNull();
  });
});
