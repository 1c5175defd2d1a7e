import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nonNegativeLeastSquares } from "./non-negative-least-squares.ts";

function squares(rows: readonly (readonly number[])[], values: readonly number[], x: readonly number[]): number {
  return rows.reduce((sum, row, i) => {
    const error = row.reduce((total, value, term) => total + value * (x[term] as number), 0) - (values[i] as number);
    return sum + error * error;
  }, 0);
}

const rows = fc.array(fc.tuple(...Array.from({ length: 3 }, () => fc.integer({ min: -9, max: 9 }))), {
  minLength: 3,
  maxLength: 8,
});

describe("non-negative least squares", () => {
  it("finds the terms that made the values", () => {
    const matrix = [
      [1, 1],
      [1, 2],
      [1, 8],
    ];
    const [fixed, slope] = nonNegativeLeastSquares(matrix, [5, 7, 19]);
    expect(fixed).toBeCloseTo(3, 9);
    expect(slope).toBeCloseTo(2, 9);
  });

  it("fits the others again where a term would be negative", () => {
    const matrix = [
      [1, 1],
      [1, 2],
      [1, 3],
    ];
    // The line through these has the offset −1; through the origin the best slope is Σxy / Σx².
    expect(nonNegativeLeastSquares(matrix, [1, 3, 5])).toEqual([0, expect.closeTo(22 / 14, 9)]);
  });

  it("gives a term that others explain already no part of its own", () => {
    const x = nonNegativeLeastSquares(
      [
        [1, 2],
        [2, 4],
      ],
      [3, 6],
    );
    expect(
      squares(
        [
          [1, 2],
          [2, 4],
        ],
        [3, 6],
        x,
      ),
    ).toBeCloseTo(0, 9);
  });

  it("has no better neighbour: no term can change a little, or become 0, and help", () => {
    fc.assert(
      fc.property(rows, fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 8, maxLength: 8 }), (matrix, all) => {
        const values = all.slice(0, matrix.length);
        const x = nonNegativeLeastSquares(matrix, values);
        const best = squares(matrix, values, x);
        expect(Math.min(...x)).toBeGreaterThanOrEqual(0);
        for (const [term, at] of x.entries()) {
          for (const other of [at + 0.01, Math.max(0, at - 0.01), 0]) {
            expect(squares(matrix, values, x.with(term, other))).toBeGreaterThanOrEqual(best - 1e-6);
          }
        }
      }),
      { seed: 11, numRuns: 500 },
    );
  });
});
