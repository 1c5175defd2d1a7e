import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Meter, roundUp } from "./meter.ts";

const MILLISECONDS = { granularityMs: 1, minimumMs: 0 };

describe("roundUp", () => {
  it.each([
    [0, 0],
    [0.2, 1],
    [3, 3],
    [3.0000000000000004, 3], // 30 × 0.1 in floating point
    [3.001, 4],
    [1_234_567, 1_234_567],
  ])("bills %d ms as %d ms where a platform counts milliseconds", (ms, billed) => {
    expect(roundUp(ms, MILLISECONDS)).toBe(billed);
  });

  it("bills steps of 100 ms where a platform counts those", () => {
    const rounding = { granularityMs: 100, minimumMs: 0 };
    expect([1, 100, 100.5, 250].map((ms) => roundUp(ms, rounding))).toEqual([100, 100, 200, 300]);
  });

  it("bills the minimum, itself rounded up", () => {
    expect(roundUp(3, { granularityMs: 100, minimumMs: 250 })).toBe(300);
    expect(roundUp(0, { granularityMs: 1, minimumMs: 100 })).toBe(100);
  });

  it("keeps microseconds where the granularity is one", () => {
    expect(roundUp(12.345, { granularityMs: 0.001, minimumMs: 0 })).toBe(12.345);
  });

  it("gives the least multiple that is enough, and splitting never makes it cheaper", () => {
    const microseconds = fc.integer({ min: 0, max: 10_000_000 });
    const granularities = fc.constantFrom(1, 500, 1000, 100_000);
    const holds = fc.property(microseconds, microseconds, granularities, microseconds, (a, b, granularity, minimum) => {
      const rounding = { granularityMs: granularity / 1000, minimumMs: minimum / 1000 };
      const billed = roundUp(a / 1000, rounding) * 1000;
      const needed = Math.max(a, minimum);
      expect(billed).toBeGreaterThanOrEqual(needed - 1e-6);
      expect(billed).toBeLessThan(needed + granularity);
      const whole = roundUp((a + b) / 1000, rounding);
      expect(billed / 1000 + roundUp(b / 1000, rounding)).toBeGreaterThanOrEqual(whole - 1e-9);
    });
    fc.assert(holds, { seed: 1, numRuns: 1000 });
  });
});

describe("Meter", () => {
  it("starts at nothing", () => {
    expect(new Meter(MILLISECONDS).totals).toEqual({ invocations: 0, busyMs: 0, billedMs: 0 });
  });

  it("rounds every invocation up on its own", () => {
    const meter = new Meter(MILLISECONDS);
    meter.add(0.25);
    meter.add(0.25);
    meter.add(1.5);
    expect(meter.totals).toEqual({ invocations: 3, busyMs: 2, billedMs: 4 });
  });

  it("bills many short invocations in steps of 100 ms as 100 ms each", () => {
    const meter = new Meter({ granularityMs: 100, minimumMs: 0 });
    for (let call = 0; call < 50; call++) meter.add(0.5);
    expect(meter.totals).toEqual({ invocations: 50, busyMs: 25, billedMs: 5000 });
  });
});
