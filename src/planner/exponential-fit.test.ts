import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { fitExponential, type TimedMemory } from "./exponential-fit.ts";

const SIZES = [0.25, 0.5, 0.75, 1, 1.5, 2, 3];

function sample(theta: readonly [number, number, number], noise: () => number = () => 0): TimedMemory[] {
  const [theta1, theta2, theta3] = theta;
  return SIZES.map((memory) => ({
    memory,
    ms: (theta1 * Math.exp(-theta2 * memory) + theta3) * (1 + noise()),
  }));
}

describe("fitting θ1 · exp(−θ2 · y) + θ3", () => {
  it("finds the numbers exactly where there is no noise", () => {
    const theta = fc.tuple(
      fc.double({ min: 0.01, max: 100, noNaN: true }),
      fc.double({ min: 0.1, max: 12, noNaN: true }),
      fc.double({ min: 0.01, max: 100, noNaN: true }),
    );
    fc.assert(
      fc.property(theta, (known) => {
        const fit = fitExponential("a curve", sample(known));
        const found = [fit.theta1, fit.theta2, fit.theta3];
        for (const [i, value] of found.entries()) expect(value / (known[i] as number)).toBeCloseTo(1, 3);
        expect(fit.relativeResidual).toBeLessThan(1e-6);
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it("finds them nearly with two percent of noise, and says how far the points are off", () => {
    const random = createRandom(7);
    const fit = fitExponential(
      "a curve",
      sample([4, 2.4363, 1], () => 0.04 * (random() - 0.5)),
    );
    expect(fit.theta2).toBeGreaterThan(2);
    expect(fit.theta2).toBeLessThan(2.9);
    expect(fit.theta3).toBeCloseTo(1, 1);
    expect(fit.relativeResidual).toBeGreaterThan(0.001);
    expect(fit.relativeResidual).toBeLessThan(0.03);
  });

  it("does not depend on the order or the unit of the points", () => {
    const points = sample([4, 2, 1]);
    const fit = fitExponential(
      "a curve",
      points.toReversed().map(({ memory, ms }) => ({ memory, ms: 1000 * ms })),
    );
    expect(fit.theta1).toBeCloseTo(4000, 3);
    expect(fit.theta2).toBeCloseTo(2, 6);
  });
});

describe("points that determine no such curve", () => {
  const of = (...times: readonly number[]) => times.map((ms, i) => ({ memory: 1 + i, ms }));

  it.each([
    ["two sizes", of(3, 2), /2 sizes cannot determine/],
    ["the same size again and again", [...of(3), ...of(2), ...of(2.5)], /1 sizes cannot determine/],
    ["flat times", of(2, 2, 2, 2), /does not fall/],
    ["rising times", of(1, 2, 2.5, 2.75), /does not fall/],
    ["a straight line", of(5, 4, 3, 2), /straight line/],
    ["a fall that bends down", of(5, 4.5, 3, 1), /straight line/],
    ["a fall that is over at the second size", of(5, 1, 1, 1), /any large number/],
    ["a fall below nothing", of(4, 2.2, 0.9, 0.01), /would fall to -/],
    ["a time that is none", of(5, Number.NaN, 1), /no measurement/],
  ])("%s are refused by name", (_name, points, reason) => {
    expect(() => fitExponential("remote.decode", points)).toThrow(reason);
    expect(() => fitExponential("remote.decode", points)).toThrow(/remote\.decode/);
  });
});
