import { describe, expect, it } from "vitest";
import { createRandom, uniformAt } from "./random.ts";

/** The double made of the first 53 bits of a Philox output block. */
function fromWords({ first, second }: { first: number; second: number }): number {
  return (first * 2 ** 21 + Math.floor(second / 2 ** 11)) / 2 ** 53;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** How far observed counts are from equal ones: sum of (observed - expected)^2 / expected. */
function chiSquare(counts: Uint32Array): number {
  const expected = sum([...counts]) / counts.length;
  return sum([...counts].map((count) => (count - expected) ** 2 / expected));
}

describe("uniformAt", () => {
  it.each([
    { seed: 0, position: 0, first: 0xff1dae59, second: 0x6cd10df2 },
    { seed: -1, position: 0xffffffff, first: 0x2c3f628b, second: 0xab4fd7ad },
  ])("gives the published Philox2x32-10 answer for seed $seed, position $position", ({ seed, position, ...words }) => {
    expect(uniformAt(seed, position)).toBe(fromWords(words));
  });

  it("depends on nothing but seed and position", () => {
    const forwards = [0, 1, 2, 3].map((position) => uniformAt(7, position));
    const backwards = [3, 2, 1, 0].map((position) => uniformAt(7, position));
    expect(backwards.reverse()).toEqual(forwards);
  });

  it("uses every bit of the seed", () => {
    const seeds = [0, 1, -1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];
    expect(new Set(seeds.map((seed) => uniformAt(seed, 5))).size).toBe(seeds.length);
  });

  it.each([
    ["positions of one seed", (index: number) => uniformAt(42, index)],
    ["neighbouring seeds at one position", (index: number) => uniformAt(index, 0)],
    ["seeds that differ in the upper half only", (index: number) => uniformAt(index * 2 ** 32, 0)],
  ])("is uniform over %s", (_what, draw) => {
    const counts = new Uint32Array(100);
    for (let index = 0; index < 100_000; index++) {
      const cell = Math.floor(draw(index) * 100);
      counts[cell] = (counts[cell] ?? 0) + 1;
    }
    expect(sum([...counts])).toBe(100_000); // none fell outside [0, 1)
    // 99 degrees of freedom: 99.9 % of good generators stay below 148.2, and above 60
    expect(chiSquare(counts)).toBeLessThan(148.2);
    expect(chiSquare(counts)).toBeGreaterThan(60);
  });

  it("is uncorrelated between neighbouring positions and between neighbouring seeds", () => {
    const draws = 100_000;
    let alongPositions = 0;
    let alongSeeds = 0;
    for (let index = 0; index < draws; index++) {
      const value = uniformAt(1, index) - 0.5;
      alongPositions += value * (uniformAt(1, index + 1) - 0.5);
      alongSeeds += value * (uniformAt(2, index) - 0.5);
    }
    // The mean product has the standard deviation (1/12) / sqrt(draws); allow four of them.
    const limit = 4 / 12 / Math.sqrt(draws);
    expect(Math.abs(alongPositions / draws)).toBeLessThan(limit);
    expect(Math.abs(alongSeeds / draws)).toBeLessThan(limit);
  });
});

describe("createRandom", () => {
  it("walks the positions of its seed", () => {
    const random = createRandom(9);
    expect([random(), random(), random()]).toEqual([uniformAt(9, 0), uniformAt(9, 1), uniformAt(9, 2)]);
  });

  it("gives independent streams", () => {
    const first = createRandom(1);
    const second = createRandom(1);
    first();
    expect(second()).toBe(uniformAt(1, 0));
  });
});
