import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fitSpeedCurves } from "./fit-speed-curves.ts";

describe("speed curves", () => {
  it("are the times that samples are made of", () => {
    const samples = [0.5, 1, 2].flatMap((vcpus) =>
      [1, 2, 8].map((rows) => ({ vcpus, factors: [1, rows], ms: (3 + 0.5 * rows) / vcpus })),
    );
    const { curves, relativeResidual } = fitSpeedCurves(samples);
    expect(curves[0]?.vcpus).toEqual([0.5, 1, 2]);
    for (const [i, ms] of [6, 3, 1.5].entries()) expect(curves[0]?.ms[i]).toBeCloseTo(ms, 6);
    for (const [i, ms] of [1, 0.5, 0.25].entries()) expect(curves[1]?.ms[i]).toBeCloseTo(ms, 6);
    expect(relativeResidual).toBeLessThan(1e-9);
  });

  it("pool sizes where more processors seem slower", () => {
    const [curve] = fitSpeedCurves([
      { vcpus: 1, factors: [1], ms: 2 },
      { vcpus: 2, factors: [1], ms: 2.2 },
      { vcpus: 4, factors: [1], ms: 1 },
    ]).curves;
    expect(curve?.ms[0]).toBeCloseTo(curve?.ms[1] ?? 0, 9);
    expect(curve?.ms[0]).toBeGreaterThan(2);
    expect(curve?.ms[0]).toBeLessThan(2.2);
    expect(curve?.ms[2]).toBeCloseTo(1, 9);
  });

  it("weigh errors by the time they are a part of", () => {
    const samples = [
      { vcpus: 1, factors: [1], ms: 1, scaleMs: 1 },
      { vcpus: 1, factors: [1], ms: 3, scaleMs: 1000 },
    ];
    expect(fitSpeedCurves(samples).curves[0]?.ms[0]).toBeCloseTo(1, 4);
  });

  it("are never negative and never rise, whatever is measured", () => {
    const sample = fc.record({
      vcpus: fc.constantFrom(0.25, 0.5, 1, 2, 4),
      factors: fc.tuple(fc.constant(1), fc.integer({ min: 0, max: 64 })),
      ms: fc.double({ min: -5, max: 100, noNaN: true }),
      scaleMs: fc.double({ min: 0.1, max: 100, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 30 }), (samples) => {
        for (const { ms } of fitSpeedCurves(samples).curves) {
          for (const [i, time] of ms.entries()) {
            expect(time).toBeGreaterThanOrEqual(0);
            if (i > 0) expect(time).toBeLessThanOrEqual(ms[i - 1] as number);
          }
        }
      }),
      { seed: 3, numRuns: 200 },
    );
  });
});
