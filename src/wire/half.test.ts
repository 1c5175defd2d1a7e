import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHalves, toHalves } from "./half.ts";

const ALL_HALVES = Uint16Array.from({ length: 65_536 }, (_, half) => half);

/** By the definition of binary16. */
function halfValue(half: number): number {
  const sign = half >= 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = (half & 0x3ff) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -14 : sign * (1 + fraction) * 2 ** (exponent - 15);
}

/** The nearest half by search: the two neighbours, the even one when both are as near. */
function nearestHalf(value: number): number {
  const magnitude = Math.abs(value);
  let [below, above] = [0, 0x7c00];
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if (halfValue(middle) <= magnitude) below = middle;
    else above = middle;
  }
  // Infinity counts as the number that would follow the largest one.
  const ceiling = above === 0x7c00 ? 65_536 : halfValue(above);
  const [down, up] = [magnitude - halfValue(below), ceiling - magnitude];
  const half = down < up || (down === up && below % 2 === 0) ? below : above;
  return value < 0 || Object.is(value, -0) ? half | 0x8000 : half;
}

describe("half precision", () => {
  it("reads all 65,536 halves", () => {
    const values = fromHalves(ALL_HALVES);
    const wrong = ALL_HALVES.filter((half) => !Object.is(values[half], halfValue(half)));
    expect(wrong).toHaveLength(0);
  });

  it("brings every half through a float and back, as a NaN at least as a NaN", () => {
    const back = toHalves(fromHalves(ALL_HALVES));
    const isNaNHalf = (half: number): boolean => (half & 0x7fff) > 0x7c00;
    const wrong = ALL_HALVES.filter((half) => (isNaNHalf(half) ? !isNaNHalf(back[half] ?? 0) : back[half] !== half));
    expect(wrong).toHaveLength(0);
  });

  it("rounds the middle between any two neighbours to the even one, and anything off it to the nearer one", () => {
    const word = new Uint32Array(1);
    const float = new Float32Array(word.buffer);
    const wrong = ALL_HALVES.subarray(0, 0x7bff).filter((half) => {
      float[0] = (halfValue(half) + halfValue(half + 1)) / 2;
      const bits = word[0] ?? 0;
      const [below, middle, above] = toHalves(new Float32Array(Uint32Array.of(bits - 1, bits, bits + 1).buffer));
      return below !== half || middle !== half + (half % 2) || above !== half + 1;
    });
    expect(wrong).toHaveLength(0);
  });

  it("rounds any float to the nearest half", () => {
    const anyFloat = fc.oneof(fc.float({ noNaN: true }), fc.float({ min: -70_000, max: 70_000, noNaN: true }));
    fc.assert(
      fc.property(anyFloat, (value) => {
        const expected =
          Math.abs(value) === Number.POSITIVE_INFINITY ? (value > 0 ? 0x7c00 : 0xfc00) : nearestHalf(value);
        expect(toHalves(Float32Array.of(value))[0]).toBe(expected);
      }),
      { seed: 1, numRuns: 5000 },
    );
  });

  it("overflows to infinity from 65,520 on", () => {
    expect([...toHalves(Float32Array.of(65_519.99, 65_520, -65_520, 1e30))]).toEqual([0x7bff, 0x7c00, 0xfc00, 0x7c00]);
  });
});
