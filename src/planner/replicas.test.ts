import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ExpertLoad, mostOfReplica, splitReplicas } from "./replicas.ts";

const loads = (maxLength: number) => fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength });

function toExperts(values: readonly number[]): ExpertLoad[] {
  return values.map((load, expert) => ({ expert, load }));
}

function mostLoaded(values: readonly number[], replicas: readonly (readonly number[])[]): number {
  return Math.max(...replicas.map((experts) => experts.reduce((sum, expert) => sum + (values[expert] as number), 0)));
}

/** The least most-loaded replica of all splits. */
function bestSplit(values: readonly number[], z: number): number {
  const totals = Array<number>(z).fill(0);
  const place = (index: number): number => {
    if (index === values.length) return Math.max(...totals);
    let best = Number.POSITIVE_INFINITY;
    for (let replica = 0; replica < z; replica++) {
      totals[replica] = (totals[replica] as number) + (values[index] as number);
      best = Math.min(best, place(index + 1));
      totals[replica] = (totals[replica] as number) - (values[index] as number);
    }
    return best;
  };
  return place(0);
}

describe("replicas of remote experts", () => {
  it("give the longest first to the least loaded", () => {
    const experts = [
      { expert: 3, load: 4 },
      { expert: 5, load: 9 },
      { expert: 7, load: 5 },
      { expert: 8, load: 3 },
    ];
    expect(splitReplicas(experts, 2)).toEqual([
      [5, 8],
      [3, 7],
    ]);
  });

  it("are never empty while there are experts, even without load", () => {
    expect(splitReplicas(toExperts([0, 0, 0]), 3)).toEqual([[0], [1], [2]]);
    expect(splitReplicas(toExperts([7, 0]), 4)).toEqual([[0], [1]]);
  });

  it("hold every expert once, in the same split whatever order they come in", () => {
    fc.assert(
      fc.property(loads(12), fc.integer({ min: 1, max: 6 }), (values, z) => {
        const experts = toExperts(values);
        const replicas = splitReplicas(experts, z);
        expect(replicas.flat().sort((a, b) => a - b)).toEqual(experts.map(({ expert }) => expert));
        expect(replicas).toHaveLength(Math.min(z, values.length));
        expect(replicas.every((each) => each.length > 0)).toBe(true);
        expect(splitReplicas(experts.toReversed(), z)).toEqual(replicas);
      }),
      { seed: 1 },
    );
  });

  it("are at most 4/3 − 1/(3z) as loaded as those of the best split", () => {
    fc.assert(
      fc.property(loads(7), fc.integer({ min: 1, max: 4 }), (values, z) => {
        const most = mostLoaded(values, splitReplicas(toExperts(values), z));
        expect(most).toBeLessThanOrEqual((4 / 3 - 1 / (3 * z)) * bestSplit(values, z) + 1e-9);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it("never have more than Theorem 4 says", () => {
    fc.assert(
      fc.property(loads(40), fc.integer({ min: 1, max: 8 }), (values, z) => {
        const total = values.reduce((a, b) => a + b, 0);
        const bound = mostOfReplica(total, Math.max(...values), z);
        expect(mostLoaded(values, splitReplicas(toExperts(values), z))).toBeLessThanOrEqual(bound + 1e-9);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
