import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toActivationMatrix, uniformMatrix } from "./activation-matrix.ts";
import { divergence, layerDivergences } from "./divergence.ts";

const shape = { layers: 2, experts: 4 };
const matrix = fc.array(fc.nat(50), { minLength: 8, maxLength: 8 }).map((counts) => toActivationMatrix(counts, shape));

describe("divergence", () => {
  it("is 0 for equal matrices, the same both ways, and within [0, 1]", () => {
    fc.assert(
      fc.property(matrix, matrix, (p, q) => {
        expect(divergence(p, p, shape)).toBe(0);
        expect(divergence(p, q, shape)).toBeCloseTo(divergence(q, p, shape), 12);
        expect(divergence(p, q, shape)).toBeGreaterThanOrEqual(0);
        expect(divergence(p, q, shape)).toBeLessThanOrEqual(1);
      }),
      { seed: 4 },
    );
  });

  it("is 1 in a layer whose rows share no expert", () => {
    const p = toActivationMatrix([1, 1, 0, 0, 1, 0, 0, 0], shape);
    const q = toActivationMatrix([0, 0, 1, 0, 1, 0, 0, 0], shape);
    expect([...layerDivergences(p, q, shape)]).toEqual([1, 0]);
    expect(divergence(p, q, shape)).toBe(0.5);
  });

  it("of one expert against four alike is worked out by hand", () => {
    // H(5/8, 1/8, 1/8, 1/8) - (H(1) + H(1/4, …)) / 2 = 1.5488 - 1
    const [first] = layerDivergences(toActivationMatrix([1, 0, 0, 0, 1, 1, 1, 1], shape), uniformMatrix(shape), shape);
    expect(first).toBeCloseTo(0.548795, 6);
  });
});
