import { describe, expect, it } from "vitest";
import { evaluate } from "./evaluate.ts";
import { timeAt } from "./speed-curve.ts";
import { tinyProblem } from "./testing/tiny-problem.ts";
import { correctTimes, TimeCorrection } from "./time-correction.ts";

const AS_PROFILED = { prefill: 1, decode: 1 };

function observed(ratios: readonly number[]): TimeCorrection {
  const correction = new TimeCorrection();
  for (const ratio of ratios) correction.observe("decode", { predictedMs: 10, measuredMs: 10 * ratio });
  return correction;
}

describe("a correction of a profile's times", () => {
  it("is what it is taken to be until some requests have run", () => {
    expect(observed([3, 3]).factorsOr(AS_PROFILED)).toEqual(AS_PROFILED);
    expect(observed([3, 3]).factorsOr({ prefill: 1.5, decode: 2 })).toEqual({ prefill: 1.5, decode: 2 });
  });

  it("is the median of measured / predicted, phase by phase", () => {
    expect(observed([1.1, 1.2, 1.3, 1.4, 50]).factorsOr(AS_PROFILED)).toEqual({ prefill: 1, decode: 1.3 });
  });

  it("forgets what is long ago, and learns nothing from what was not predicted or measured", () => {
    const correction = observed([...Array(64).fill(9), ...Array(64).fill(0.8)]);
    for (let i = 0; i < 9; i++) correction.observe("decode", { predictedMs: 0, measuredMs: 5 });
    for (let i = 0; i < 9; i++) correction.observe("decode", { predictedMs: 5, measuredMs: 0 });
    expect(correction.factorsOr(AS_PROFILED).decode).toBeCloseTo(0.8, 12);
  });

  it("multiplies prefill and decode of plans of its kind, and leaves starts alone", () => {
    const placement = { plan: { specMain: { memoryMb: 2048 }, layers: [] }, devices: "cpu" } as const;
    const problem = { ...tinyProblem, isCold: true };
    const profile = correctTimes(problem.profile, {
      unsplit: { prefill: 1.5, decode: 2 },
      split: { prefill: 7, decode: 9 },
    });
    const [plain, corrected] = [evaluate(problem, placement), evaluate({ ...problem, profile }, placement)];
    expect(corrected.prefillMs).toBeCloseTo(1.5 * plain.prefillMs, 9);
    expect(corrected.tpotMs).toBeCloseTo(2 * plain.tpotMs, 9);
    expect(corrected.coldStartMs).toBe(plain.coldStartMs);
  });

  it("does as much to main and expert functions of a split plan", () => {
    const factors = { unsplit: { prefill: 7, decode: 9 }, split: { prefill: 1.5, decode: 2 } };
    const { split, remote } = correctTimes(tinyProblem.profile, factors);
    expect(timeAt(split.decodeToken, 1)).toBeCloseTo(2 * timeAt(tinyProblem.profile.split.decodeToken, 1), 12);
    expect(timeAt(remote.decodeRow, 1)).toBeCloseTo(2 * timeAt(tinyProblem.profile.remote.decodeRow, 1), 12);
    expect(timeAt(remote.prefillRow, 1)).toBeCloseTo(1.5 * timeAt(tinyProblem.profile.remote.prefillRow, 1), 12);
  });
});
