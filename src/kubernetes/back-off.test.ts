import { describe, expect, it } from "vitest";
import { backOffMs } from "./back-off.ts";

describe("the pause before the next attempt", () => {
  const latest = (failures: number): number => backOffMs(failures, () => 1);

  it("doubles up to ten seconds", () => {
    expect([1, 2, 3, 4].map(latest)).toEqual([100, 200, 400, 800]);
    expect(latest(50)).toBe(10_000);
  });

  it("differs between clients by up to half", () => {
    expect(backOffMs(1, () => 0)).toBe(50);
  });
});
