import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SpeedCurve } from "./cost-profile.ts";
import { timeAt } from "./speed-curve.ts";

const curve = { vcpus: [1, 2, 4], ms: [90, 50, 40] };

/** With up to 8 samples, never rising. */
const curves: fc.Arbitrary<SpeedCurve> = fc
  .uniqueArray(fc.integer({ min: 1, max: 512 }), { minLength: 1, maxLength: 8 })
  .chain((sixteenths) =>
    fc.record({
      vcpus: fc.constant(sixteenths.toSorted((a, b) => a - b).map((each) => each / 16)),
      ms: fc
        .array(fc.integer({ min: 0, max: 1000 }), { minLength: sixteenths.length, maxLength: sixteenths.length })
        .map((values) => values.toSorted((a, b) => b - a)),
    }),
  );
const sizes = fc.double({ min: 0.01, max: 64, noNaN: true });

describe("the time by virtual processors", () => {
  it("equals the samples", () => {
    fc.assert(
      fc.property(curves, (each) => {
        expect(each.vcpus.map((vcpus) => timeAt(each, vcpus))).toEqual(each.ms);
      }),
      { seed: 1 },
    );
  });

  it("is linear in 1 / vCPUs between two of them", () => {
    // 1/vCPU falls from 1/2 to 1/4, at 8/3 it is 3/8: half way, so 50 − 10 / 2.
    expect(timeAt(curve, 8 / 3)).toBeCloseTo(45, 10);
  });

  it("is inversely proportional before the first", () => {
    expect(timeAt(curve, 0.25)).toBe(360);
  });

  it("is constant beyond the last", () => {
    expect(timeAt(curve, 64)).toBe(40);
  });

  it("is known from a single sample", () => {
    const single = { vcpus: [2], ms: [50] };
    expect([1, 2, 4].map((vcpus) => timeAt(single, vcpus))).toEqual([100, 50, 50]);
  });

  it("never rises", () => {
    fc.assert(
      fc.property(curves, sizes, sizes, (each, a, b) => {
        const [fewer, more] = [timeAt(each, Math.min(a, b)), timeAt(each, Math.max(a, b))];
        expect(more).toBeLessThanOrEqual(fewer * (1 + 1e-12));
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  it("has no jumps", () => {
    fc.assert(
      fc.property(curves, sizes, (each, at) => {
        const here = timeAt(each, at);
        // Steepest is the hyperbola before the first sample, or the step between two that are 1/16 apart.
        expect(Math.abs(timeAt(each, at * (1 + 1e-9)) - here)).toBeLessThan(1e-3 + here * 1e-8);
      }),
      { seed: 3, numRuns: 500 },
    );
  });
});
