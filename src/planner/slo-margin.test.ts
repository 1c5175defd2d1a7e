import { describe, expect, it } from "vitest";
import { SloMargin } from "./slo-margin.ts";

function observed(ratios: readonly number[]): SloMargin {
  const margin = new SloMargin({ ttft: 1.5, tpot: 1.2 });
  for (const ratio of ratios) margin.observe("tpot", { predictedMs: 10, measuredMs: 10 * ratio });
  return margin;
}

const rising = Array.from({ length: 99 }, (_, i) => 1 + i / 100);

describe("the margin before objectives", () => {
  it("is the profile's until enough requests have run, for each objective by itself", () => {
    expect(observed([]).current).toEqual({ ttft: 1.5, tpot: 1.2 });
    expect(observed(Array(18).fill(3)).current.tpot).toBe(1.2);
    expect(observed(Array(19).fill(3)).current).toEqual({ ttft: 1.5, tpot: 3 });
  });

  it("is the ⌈(n + 1) 0.95⌉-th smallest ratio, of 99 the 95th", () => {
    expect(observed(rising).current.tpot).toBeCloseTo(1.94, 12);
    expect(observed(rising.toReversed()).current.tpot).toBeCloseTo(1.94, 12);
  });

  it("never makes a prediction smaller", () => {
    expect(observed(Array(50).fill(0.5)).current.tpot).toBe(1);
    expect(new SloMargin({ ttft: 0.5, tpot: 1 }).current.ttft).toBe(1);
  });

  it("forgets what is long ago", () => {
    expect(observed([...Array(100).fill(9), ...Array(200).fill(1.1)]).current.tpot).toBeCloseTo(1.1);
  });

  it("learns nothing from what was not predicted", () => {
    const margin = observed([]);
    for (let i = 0; i < 50; i++) margin.observe("tpot", { predictedMs: 0, measuredMs: 5 });
    expect(margin.current.tpot).toBe(1.2);
  });
});
