import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bestSize, type DualLayer, type DualProblem, solveDual } from "./memory-dual.ts";

const amount = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });
const layer: fc.Arbitrary<DualLayer> = fc.record({
  share: amount(0.01, 1),
  callMs: amount(0, 5),
  leastGb: amount(0.05, 2),
  mostGb: amount(2.5, 10),
});
const problem: fc.Arbitrary<DualProblem> = fc.record({
  time: fc.record({ theta1: amount(0.1, 20), theta2: amount(0.05, 12), theta3: amount(0.01, 5) }),
  layers: fc.array(layer, { minLength: 1, maxLength: 5 }),
  mainRate: amount(0.001, 30),
  memoryRate: amount(0.1, 3),
  budgetMs: amount(0.1, 60),
});

function layerMs({ time }: DualProblem, { share, callMs }: DualLayer, y: number): number {
  return share * (time.theta1 * Math.exp(-time.theta2 * y) + time.theta3) + callMs;
}

function totalMs(dual: DualProblem, sizes: readonly number[]): number {
  return dual.layers.reduce((sum, each, i) => sum + layerMs(dual, each, sizes[i] as number), 0);
}

/** φ(y) */
function price(dual: DualProblem, each: DualLayer, lambda: number): (y: number) => number {
  return (y) => layerMs(dual, each, y) * (dual.mainRate + lambda + dual.memoryRate * y);
}

function isConvex(dual: DualProblem, lambda: number, y: number): boolean {
  return y > 2 / dual.time.theta2 - (dual.mainRate + lambda) / dual.memoryRate;
}

describe("the cost of a layer by its memory", () => {
  it("is convex from 2/θ2 − H/c on and concave before", () => {
    fc.assert(
      fc.property(problem, amount(0.1, 10), (dual, y) => {
        const each = dual.layers[0] as DualLayer;
        const inflection = 2 / dual.time.theta2 - dual.mainRate / dual.memoryRate;
        const h = 1e-3 / dual.time.theta2;
        fc.pre(Math.abs(y - inflection) > 10 * h && y > h);
        // Only the exponential bends: without the rest it does not drown in rounding.
        const { theta1, theta2 } = dual.time;
        const bent = (x: number): number =>
          each.share * theta1 * Math.exp(-theta2 * (x - y)) * (dual.mainRate + dual.memoryRate * x);
        const second = bent(y + h) - 2 * bent(y) + bent(y - h);
        expect(second > 0).toBe(y > inflection);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it("is convex everywhere where θ2 ≥ 2c/H", () => {
    fc.assert(
      fc.property(problem, amount(0, 10), (dual, y) => {
        fc.pre(dual.time.theta2 >= (2 * dual.memoryRate) / dual.mainRate);
        expect(isConvex(dual, 0, y + 1e-9)).toBe(true);
      }),
      { seed: 1 },
    );
  });

  it("has its least where a fine grid has it, also where it is not convex", () => {
    let notConvex = 0;
    fc.assert(
      fc.property(problem, amount(0, 20), (dual, lambda) => {
        const each = dual.layers[0] as DualLayer;
        const of = price(dual, each, lambda);
        if (!isConvex(dual, lambda, each.leastGb)) notConvex++;
        const steps = Array.from({ length: 2001 }, (_, i) => each.leastGb + (i / 2000) * (each.mostGb - each.leastGb));
        const found = bestSize(dual, each, lambda);
        expect(found).toBeGreaterThanOrEqual(each.leastGb);
        expect(found).toBeLessThanOrEqual(each.mostGb);
        expect(of(found)).toBeLessThanOrEqual(Math.min(...steps.map(of)) * (1 + 1e-9));
      }),
      { seed: 1, numRuns: 500 },
    );
    expect(notConvex).toBeGreaterThan(50);
  });
});

/** With a budget between the least time there is, at 0, and that of the cheapest sizes, at 1. */
function withSlack(dual: DualProblem, slack: number): DualProblem {
  const fastest = totalMs(
    dual,
    dual.layers.map(({ mostGb }) => mostGb),
  );
  const cheapest = totalMs(dual, solveDual({ ...dual, budgetMs: Number.POSITIVE_INFINITY }).memoryGb);
  return { ...dual, budgetMs: fastest + slack * (cheapest - fastest) };
}

describe("sizes by the Lagrangian dual", () => {
  it("keep the budget where any do, and are the largest where none do", () => {
    fc.assert(
      fc.property(problem, (dual) => {
        const { lambda, memoryGb } = solveDual(dual);
        const largest = dual.layers.map(({ mostGb }) => mostGb);
        if (totalMs(dual, largest) > dual.budgetMs)
          expect({ lambda, memoryGb }).toEqual({ lambda: Infinity, memoryGb: largest });
        else expect(totalMs(dual, memoryGb)).toBeLessThanOrEqual(dual.budgetMs);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it("satisfy the conditions of Karush, Kuhn and Tucker", () => {
    let binding = 0;
    fc.assert(
      fc.property(problem, amount(0.01, 1.2), (any, slack) => {
        const dual = withSlack(any, slack);
        const { lambda, memoryGb } = solveDual(dual);
        fc.pre(Number.isFinite(lambda) && dual.layers.every(({ leastGb }) => isConvex(dual, 0, leastGb)));
        expect(lambda).toBeGreaterThanOrEqual(0);
        if (lambda > 1e-9) {
          binding++;
          expect(totalMs(dual, memoryGb)).toBeCloseTo(dual.budgetMs, 6);
        }
        for (const [i, each] of dual.layers.entries()) {
          const y = memoryGb[i] as number;
          const of = price(dual, each, lambda);
          const h = 1e-5;
          const slope = (of(y + h) - of(y - h)) / (2 * h);
          const tolerance = 1e-4 * (1 + of(y));
          if (y > each.leastGb + h) expect(slope).toBeLessThanOrEqual(tolerance);
          if (y < each.mostGb - h) expect(slope).toBeGreaterThanOrEqual(-tolerance);
        }
      }),
      { seed: 1, numRuns: 500 },
    );
    expect(binding).toBeGreaterThan(20);
  });

  it("do not shrink as time gets dearer", () => {
    fc.assert(
      fc.property(problem, amount(0, 20), amount(0, 20), (dual, lambda, more) => {
        const each = dual.layers[0] as DualLayer;
        expect(bestSize(dual, each, lambda + more)).toBeGreaterThanOrEqual(bestSize(dual, each, lambda) - 1e-9);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("find the sizes of a book without prices", () => {
    const free: DualProblem = {
      time: { theta1: 4, theta2: 1, theta3: 1 },
      layers: [{ share: 1, callMs: 0, leastGb: 1, mostGb: 4 }],
      mainRate: 0,
      memoryRate: 0,
      budgetMs: 1.2,
    };
    expect(totalMs(free, solveDual(free).memoryGb)).toBeLessThanOrEqual(1.2);
  });
});
