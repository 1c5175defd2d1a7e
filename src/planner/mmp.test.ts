import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { complete } from "../predictor/complete.ts";
import { hoeffdingBound } from "./load-bound.ts";
import { type MainMemory, mmp } from "./mmp.ts";
import type { PlanningProblem, Slo } from "./problem.ts";
import { randomProblem } from "./testing/random-problem.ts";
import { tinyProblem } from "./testing/tiny-problem.ts";

function chosen(problem: PlanningProblem): MainMemory | null {
  return complete(mmp(problem, hoeffdingBound(problem.sizes)));
}

function withSlo(slo: Partial<Slo>, specs: Partial<PlanningProblem["specs"]> = {}): PlanningProblem {
  return { ...tinyProblem, slo: { ttftMs: null, tpotMs: null, ...slo }, specs: { ...tinyProblem.specs, ...specs } };
}

describe("main memory before prediction", () => {
  it("makes every expert remote without objectives, in no less memory than the largest expert function", () => {
    expect(chosen(withSlo({}))).toMatchObject({ remoteRatio: 1, memoryMb: 2048, worst: { violations: [] } });
  });

  it("keeps experts local as far as an objective asks for", () => {
    const { tpotMs } = chosen(withSlo({}))?.worst ?? { tpotMs: 0 };
    const tighter = chosen(withSlo({ tpotMs: tpotMs - 0.1 }));
    expect(tighter?.remoteRatio).toBeLessThan(1);
    expect(tighter?.worst.violations).toEqual([]);
    expect(tighter?.worst.tpotMs).toBeLessThanOrEqual(tpotMs - 0.1);
  });

  it("buys processors where no ratio will do with fewer", () => {
    const small = { main: [512, 1024, 2048], experts: [512] };
    const slow = chosen(withSlo({}, { ...small, main: [1024] }))?.worst.tpotMs ?? 0;
    const found = chosen(withSlo({ tpotMs: slow / 2 + 5 }, small));
    expect(found?.memoryMb).toBe(2048);
    expect(found?.worst.violations).toEqual([]);
  });

  it("has no more experts remote than the largest expert function holds", () => {
    expect(chosen(withSlo({}, { experts: [256] }))?.remoteRatio).toBe(0.5);
    expect(chosen(withSlo({}, { experts: [] }))?.remoteRatio).toBe(0);
  });

  it("is nothing where no size holds what has to be local", () => {
    expect(chosen(withSlo({}, { main: [256] }))).toBeNull();
    expect(chosen(withSlo({}, { main: [] }))).toBeNull();
  });

  it("says what is missed with the most memory and the best ratio where objectives cannot be met", () => {
    const found = chosen(withSlo({ tpotMs: 1 }));
    expect(found?.memoryMb).toBe(4096);
    expect(found?.worst.violations).toEqual([{ objective: "tpot", limitMs: 1, expectedMs: found?.worst.tpotMs }]);
    const atLeast = found?.worst.tpotMs ?? 0;
    expect(chosen(withSlo({ tpotMs: atLeast }))?.worst.violations).toEqual([]);
    expect(chosen(withSlo({ tpotMs: atLeast - 0.01 }))?.worst.violations).toHaveLength(1);
  });

  it("does not depend on what is predicted", () => {
    const { layers, experts } = tinyProblem.sizes;
    const other = { matrix: new Float32Array(layers * experts).fill(0.25), sets: [] };
    const problem = withSlo({ ttftMs: 6000, tpotMs: 25 });
    expect(chosen({ ...problem, demand: other })).toEqual(chosen(problem));
  });

  it("is feasible with looser objectives wherever it is with tighter ones", () => {
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: 1, max: 3, noNaN: true }), (seed, factor) => {
        const problem = randomProblem(seed);
        const loosen = (ms: number | null): number | null => (ms === null ? null : ms * factor);
        const tight = chosen(problem);
        if (tight === null || tight.worst.violations.length > 0) return;
        const slo = { ttftMs: loosen(problem.slo.ttftMs), tpotMs: loosen(problem.slo.tpotMs) };
        const loose = chosen({ ...problem, slo });
        expect(loose?.worst.violations).toEqual([]);
        expect(loose?.memoryMb).toBeLessThanOrEqual(tight.memoryMb);
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});
