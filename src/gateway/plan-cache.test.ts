import { describe, expect, it } from "vitest";
import type { Plan } from "../planner/plan.ts";
import { type NewPlan, PlanCache, type PlanKey } from "./plan-cache.ts";

const planOf = (memoryMb: number): Plan => ({ specMain: { memoryMb }, layers: [] });
const madeOf = (memoryMb: number) => async () => ({ plan: planOf(memoryMb), slowness: 1 });
const keyOf = (more: Partial<PlanKey> = {}): PlanKey => ({
  group: 1,
  source: "prompt",
  workload: { promptTokens: 100, outputTokens: 60 },
  ...more,
});

describe("a plan cache", () => {
  it("has a plan for requests of the same group with lengths within a factor of two", async () => {
    const cache = new PlanCache();
    const added = await cache.make(keyOf(), madeOf(512));
    expect(cache.find(keyOf())).toBe(added);
    expect(cache.find(keyOf({ workload: { promptTokens: 127, outputTokens: 32 } }))).toBe(added);
  });

  it("has none for other groups, lengths and kinds of prediction", async () => {
    const cache = new PlanCache();
    await cache.make(keyOf(), madeOf(512));
    expect(cache.find(keyOf({ group: 2 }))).toBeNull();
    expect(cache.find(keyOf({ group: null }))).toBeNull();
    expect(cache.find(keyOf({ source: "global" }))).toBeNull();
    expect(cache.find(keyOf({ workload: { promptTokens: 128, outputTokens: 60 } }))).toBeNull();
    expect(cache.find(keyOf({ workload: { promptTokens: 100, outputTokens: 64 } }))).toBeNull();
  });

  it("forgets the plan that was not asked for the longest", async () => {
    const cache = new PlanCache();
    for (let group = 0; group < 64; group++) await cache.make(keyOf({ group }), madeOf(group));
    cache.find(keyOf({ group: 0 }));
    await cache.make(keyOf({ group: 64 }), madeOf(64));
    expect(cache.find(keyOf({ group: 0 }))?.plan).toEqual(planOf(0));
    expect(cache.find(keyOf({ group: 1 }))).toBeNull();
  });

  it("makes a plan once for all who ask while it is being made, and again after a failure", async () => {
    const cache = new PlanCache();
    let finish: (made: NewPlan) => void = () => {};
    let asked = 0;
    const slowly = () => {
      asked++;
      return new Promise<NewPlan>((resolve) => {
        finish = resolve;
      });
    };
    const both = [cache.make(keyOf(), slowly), cache.make(keyOf(), slowly)];
    finish({ plan: planOf(512), slowness: 1 });
    const [first, second] = await Promise.all(both);
    expect(second).toBe(first);
    expect(asked).toBe(1);
    await expect(cache.make(keyOf(), () => Promise.reject(new Error("nothing fits")))).rejects.toThrow();
    expect(await cache.make(keyOf(), madeOf(1024))).not.toBe(first);
  });
});
