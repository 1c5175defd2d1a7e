import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CacheRegion, CacheRegions } from "./cache-regions.ts";

/** How many regions each of 64 rows is in. */
function ownersOf(taken: readonly CacheRegion[]): number[] {
  const owners = new Array<number>(64).fill(0);
  for (const { first, rows } of taken) {
    for (let row = first; row < first + rows; row++) owners[row] = (owners[row] ?? 0) + 1;
  }
  return owners;
}

describe("regions of a cache", () => {
  it("lie side by side, and fill the lowest gap they fit in", () => {
    const regions = new CacheRegions(10);
    const [a, b] = [regions.take(3), regions.take(4)];
    expect([a, b]).toEqual([
      { first: 0, rows: 3 },
      { first: 3, rows: 4 },
    ]);
    regions.give(a as CacheRegion);
    expect(regions.take(2)).toEqual({ first: 0, rows: 2 });
    expect(regions.take(2)).toEqual({ first: 7, rows: 2 });
    expect(regions.end).toBe(9);
  });

  it("are refused where there is no room in one piece", () => {
    const regions = new CacheRegions(8);
    const first = regions.take(3) as CacheRegion;
    regions.take(3);
    regions.give(first);
    expect(regions.take(4)).toBeNull();
    expect(regions.take(3)).toEqual(first);
  });

  it("never overlap nor leave the cache, and all room comes back", () => {
    const step = fc.record({ rows: fc.integer({ min: 1, max: 30 }), gives: fc.boolean(), pick: fc.nat() });
    const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const regions = new CacheRegions(64);
      const taken: CacheRegion[] = [];
      for (const { rows, gives, pick } of steps) {
        if (gives && taken.length > 0) regions.give(taken.splice(pick % taken.length, 1)[0] as CacheRegion);
        const region = regions.take(rows);
        if (region !== null) taken.push(region);
        const owners = ownersOf(taken);
        expect(owners).toHaveLength(64);
        expect(Math.max(...owners)).toBeLessThanOrEqual(1);
        expect(regions.end).toBe(owners.lastIndexOf(1) + 1);
      }
      for (const region of taken) regions.give(region);
      expect(regions.take(64)).toEqual({ first: 0, rows: 64 });
    });
    fc.assert(property, { seed: 20_261_122 });
  });
});
