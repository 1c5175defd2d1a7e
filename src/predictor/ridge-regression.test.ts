import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { solveByCholesky } from "./cholesky.ts";
import { RidgeRegression } from "./ridge-regression.ts";

function randomMatrix(random: () => number, rows: number, columns: number): number[][] {
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => 2 * random() - 1));
}

/** A B */
function multiply(a: readonly number[][], b: readonly number[][]): number[][] {
  return a.map((row) => (b[0] ?? []).map((_, j) => row.reduce((sum, x, i) => sum + x * (b[i]?.[j] ?? 0), 0)));
}

describe("solveByCholesky", () => {
  it("finds X with A X = B for any symmetric positive definite A", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(1000),
        (size, columns, seed) => {
          const random = createRandom(seed);
          const root = randomMatrix(random, size, size);
          const a = multiply(root, root[0]?.map((_, j) => root.map((row) => row[j] ?? 0)) ?? []);
          for (const [i, row] of a.entries()) row[i] = (row[i] ?? 0) + 0.5;
          const x = randomMatrix(random, size, columns);
          const b = Float64Array.from(multiply(a, x).flat());
          solveByCholesky(Float64Array.from(a.flat()), b, size);
          for (const [i, value] of x.flat().entries()) expect(b[i]).toBeCloseTo(value, 8);
        },
      ),
      { seed: 4 },
    );
  });
});

describe("RidgeRegression", () => {
  const weights = [
    [1, -2],
    [0.5, 3],
    [-1, 0],
  ];
  const learn = (examples: number): RidgeRegression => {
    const random = createRandom(1);
    const regression = new RidgeRegression(3, 2);
    for (const x of randomMatrix(random, examples, 3)) {
      regression.add(Float32Array.from(x), Float32Array.from(multiply([x], weights)[0] ?? []));
    }
    return regression;
  };

  it("recovers a linear map from enough examples and next to no λ", () => {
    const y = learn(20)
      .solve(1e-9)
      .apply(Float32Array.of(1, 2, 3));
    expect(y[0]).toBeCloseTo(-1, 4);
    expect(y[1]).toBeCloseTo(4, 4);
  });

  it("gives less the greater λ is, and nothing without examples", () => {
    const lengthAt = (lambda: number): number =>
      Math.hypot(
        ...learn(20)
          .solve(lambda)
          .apply(Float32Array.of(1, 2, 3)),
      );
    expect(lengthAt(10)).toBeLessThan(lengthAt(0.1));
    expect([
      ...learn(0)
        .solve(1)
        .apply(Float32Array.of(1, 2, 3)),
    ]).toEqual([0, 0]);
  });

  it("stays usable after solving", () => {
    const regression = learn(20);
    const first = regression.solve(1).apply(Float32Array.of(1, 0, 0));
    expect(regression.solve(1).apply(Float32Array.of(1, 0, 0))).toEqual(first);
  });
});
