import { describe, expect, it } from "vitest";
import { createRandom } from "../../core/random.ts";
import { peakOf, type TangentPlane, type TimePrices, tangentPlane } from "./tangent-planes.ts";

function leastOf(planes: readonly TangentPlane[], { token, ttft }: TimePrices): number {
  return Math.min(...planes.map(({ value, slope }) => value + slope.token * token + slope.ttft * ttft));
}

/** a · token + b · ttft = c */
type Line = readonly [a: number, b: number, c: number];

/** Where two planes are equal. */
function ridge(one: TangentPlane, other: TangentPlane): Line {
  return [one.slope.token - other.slope.token, one.slope.ttft - other.slope.ttft, other.value - one.value];
}

/** A linear program has its optimum where two of its lines meet: tries all. */
function highestMeeting(planes: readonly TangentPlane[], most: TimePrices): number {
  const ridges = planes.flatMap((one, i) => planes.slice(i + 1).map((other) => ridge(one, other)));
  const ends: Line[] = [
    [1, 0, 0],
    [1, 0, most.token],
    [0, 1, 0],
    [0, 1, most.ttft],
  ];
  const lines = [...ridges, ...ends];
  let highest = Number.NEGATIVE_INFINITY;
  for (const [a, b, c] of lines) {
    for (const [d, e, f] of lines) {
      const determinant = a * e - b * d;
      if (Math.abs(determinant) < 1e-12) continue;
      const at = { token: (c * e - b * f) / determinant, ttft: (a * f - c * d) / determinant };
      const isInside =
        Math.min(at.token, at.ttft) >= -1e-9 && at.token <= most.token + 1e-9 && at.ttft <= most.ttft + 1e-9;
      if (isInside) highest = Math.max(highest, leastOf(planes, at));
    }
  }
  return highest;
}

describe("the peak of tangents", () => {
  it("is the highest point of their least, wherever they were drawn", () => {
    for (let seed = 0; seed < 400; seed++) {
      const random = createRandom(seed);
      const around = (): number => 2 * random() - 1;
      const planes = Array.from({ length: 1 + Math.floor(7 * random()) }, () =>
        tangentPlane(around(), { token: random(), ttft: random() }, { token: around(), ttft: around() }),
      );
      const most = { token: 0.1 + 3 * random(), ttft: 0.1 + 3 * random() };
      const { prices, value } = peakOf(planes, most);
      expect(value, `instance ${seed}`).toBeCloseTo(highestMeeting(planes, most), 9);
      expect(leastOf(planes, prices)).toBeCloseTo(value, 9);
      expect(prices.token).toBeGreaterThanOrEqual(0);
      expect(prices.token).toBeLessThanOrEqual(most.token);
      expect(prices.ttft).toBeGreaterThanOrEqual(0);
      expect(prices.ttft).toBeLessThanOrEqual(most.ttft);
    }
  });

  it("is where a rising and a falling one meet", () => {
    const rising = tangentPlane(1, { token: 0, ttft: 0 }, { token: 1, ttft: 0 });
    const falling = tangentPlane(1, { token: 4, ttft: 0 }, { token: -1, ttft: 0 });
    expect(peakOf([rising, falling], { token: 10, ttft: 0 })).toMatchObject({
      prices: { token: 2, ttft: 0 },
      value: 3,
    });
  });

  it("is at the end of the prices where all rise, and at none where all fall", () => {
    const most = { token: 2, ttft: 5 };
    const plane = (slope: number) => tangentPlane(0, { token: 1, ttft: 1 }, { token: slope, ttft: slope });
    expect(peakOf([plane(1), plane(3)], most).prices).toEqual(most);
    expect(peakOf([plane(-1), plane(-3)], most).prices).toEqual({ token: 0, ttft: 0 });
  });
});
