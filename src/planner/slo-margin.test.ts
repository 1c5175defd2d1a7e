import { describe, expect, it } from "vitest";
import type { Margin } from "./cost-profile.ts";
import { type Corrections, SloMargin } from "./slo-margin.ts";

const AS_PROFILED = { prefill: 1, decode: 1, gatewayMs: 0 };
const PROFILED = { ttft: 1.5, tpot: 1.2 };

/** Margins after requests whose tokens took so many times as long as the profile says. */
function observed(ratios: readonly number[]): { over(corrections: Corrections): Margin } {
  const margin = new SloMargin();
  for (const ratio of ratios) margin.observeToken({ predictedMs: 10, measuredMs: 10 * ratio });
  return { over: (corrections) => margin.over(corrections, PROFILED) };
}
const rising = Array.from({ length: 99 }, (_, i) => 1 + i / 100);

describe("the margin before objectives", () => {
  it("is the profile's at first, for each objective by itself", () => {
    expect(observed([]).over(AS_PROFILED)).toEqual({ ttft: 1.5, tpot: 1.2 });
    expect(observed([3, 3]).over(AS_PROFILED)).toEqual({ ttft: 1.5, tpot: 3 });
  });

  it("is no less than the profile's while there are too few for a quantile", () => {
    expect(observed([1, 1.1]).over(AS_PROFILED).tpot).toBe(1.2);
    expect(observed(Array(18).fill(1)).over(AS_PROFILED).tpot).toBe(1.2);
    expect(observed([...Array(18).fill(1), 1.05]).over(AS_PROFILED).tpot).toBe(1.05);
  });

  it("is not decided by a single request that something disturbed, by two it is", () => {
    for (const usual of [0, 1, 4, 18, 37]) {
      const one = observed([...Array(usual).fill(1), 3]).over(AS_PROFILED).tpot;
      expect([usual, one]).toEqual([usual, usual < 18 ? 1.2 : expect.toBeOneOf([1, 1.2])]);
      expect(observed([3, ...Array(usual).fill(1), 3]).over(AS_PROFILED).tpot).toBe(3);
    }
    expect(observed([1, 3, 3, 1.1]).over({ ...AS_PROFILED, decode: 2 }).tpot).toBe(1.5);
  });

  it("is the ⌈(n + 1) 0.95⌉-th smallest ratio, of 99 the 95th", () => {
    expect(observed(rising).over(AS_PROFILED).tpot).toBeCloseTo(1.94, 12);
    expect(observed(rising.toReversed()).over(AS_PROFILED).tpot).toBeCloseTo(1.94, 12);
  });

  it("never makes a prediction smaller", () => {
    expect(observed(Array(50).fill(0.5)).over(AS_PROFILED).tpot).toBe(1);
    expect(new SloMargin().over(AS_PROFILED, { ttft: 0.5, tpot: 1 }).ttft).toBe(1);
  });

  it("is what remains above a corrected prediction", () => {
    expect(observed(rising).over({ ...AS_PROFILED, decode: 1.5 }).tpot).toBeCloseTo(1.94 / 1.5, 12);
    expect(observed(rising).over({ ...AS_PROFILED, decode: 3 }).tpot).toBe(1);
  });

  it("judges first tokens by prefill, what this request waited for in the gateway, and what every request does", () => {
    const margin = new SloMargin();
    // Of 30 ms these explain 10 · 1.5 + 4 + 1.
    for (let i = 0; i < 39; i++) margin.observeFirstToken({ predictedMs: 10, delayMs: 4, measuredMs: 30 });
    expect(margin.over({ prefill: 1.5, decode: 7, gatewayMs: 1 }, PROFILED).ttft).toBeCloseTo(1.5, 12);
    expect(margin.over({ prefill: 1.5, decode: 7, gatewayMs: 11 }, PROFILED).ttft).toBe(1);
  });

  it("forgets what is long ago", () => {
    expect(observed([...Array(100).fill(9), ...Array(200).fill(1.1)]).over(AS_PROFILED).tpot).toBeCloseTo(1.1);
  });

  it("learns nothing from what was not predicted", () => {
    const margin = new SloMargin();
    for (let i = 0; i < 50; i++) margin.observeToken({ predictedMs: 0, measuredMs: 5 });
    for (let i = 0; i < 50; i++) margin.observeFirstToken({ predictedMs: 0, delayMs: 1, measuredMs: 5 });
    expect(margin.over(AS_PROFILED, PROFILED)).toEqual(PROFILED);
  });
});
