import { describe, expect, it } from "vitest";
import { DEMAND_DEFAULTS, type SyntheticRequestsOptions, syntheticRequests } from "../bench/synthetic-demand.ts";
import type { RoutedSets } from "../src/planner/problem.ts";

const options: SyntheticRequestsOptions = {
  shape: { layers: 4, experts: 64, expertsPerToken: 6 },
  workload: { promptTokens: 125, outputTokens: 200 },
  count: 8,
  seed: 1,
};
const requests = syntheticRequests(options);

/** Share of all rows that half of the experts get, the ones that `order` has most of. */
function shareOfHalf(order: readonly number[], rows: readonly number[]): number {
  const half = [...order.keys()].sort((a, b) => (order[b] as number) - (order[a] as number)).slice(0, order.length / 2);
  const sum = rows.reduce((a, b) => a + b, 0);
  return half.reduce((total, expert) => total + (rows[expert] as number), 0) / sum;
}

function rowsOf({ experts }: RoutedSets, count: number): number[] {
  return Array.from({ length: count }, (_, expert) => experts.filter((each) => each === expert).length);
}

/** Over all requests and layers: by what really happened, and by what was predicted. */
function meanShares(all = requests): { own: number; predicted: number } {
  const { layers, experts } = options.shape;
  const shares = all.flatMap(({ predicted, actual }) =>
    Array.from({ length: layers }, (_, layer) => {
      const rows = rowsOf(actual.sets[layer] as RoutedSets, experts);
      const expected = [...predicted.matrix.subarray(layer * experts, (layer + 1) * experts)];
      return { own: shareOfHalf(rows, rows), predicted: shareOfHalf(expected, rows) };
    }),
  );
  const mean = (of: "own" | "predicted"): number => shares.reduce((sum, each) => sum + each[of], 0) / shares.length;
  return { own: mean("own"), predicted: mean("predicted") };
}

describe("synthetic demand", () => {
  it("is the same for the same seed and another for another", () => {
    expect(syntheticRequests({ ...options, count: 2 })).toEqual(requests.slice(0, 2));
    expect(syntheticRequests({ ...options, count: 2, seed: 2 })).not.toEqual(requests.slice(0, 2));
  });

  it("has rows of shares that sum to 1 and sets of k different experts", () => {
    for (const { predicted, actual } of requests) {
      for (const { matrix, sets } of [predicted, actual]) {
        const { layers, experts, expertsPerToken } = options.shape;
        for (let layer = 0; layer < layers; layer++) {
          const row = matrix.subarray(layer * experts, (layer + 1) * experts);
          expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
        }
        for (const { experts: chosen, weights } of sets) {
          expect(chosen.length).toBe(weights.length * expertsPerToken);
          expect(new Set(chosen.subarray(0, expertsPerToken)).size).toBe(expertsPerToken);
          expect(Math.max(...chosen)).toBeLessThan(experts);
        }
      }
    }
  });

  it("gives the more popular half of the experts 75 to 85 % of a prompt's rows", () => {
    const { own } = meanShares();
    expect(own).toBeGreaterThan(0.75);
    expect(own).toBeLessThan(0.85);
  });

  it("is predicted better than by chance and worse than by hindsight, perfectly but for sampling without noise", () => {
    const { own, predicted } = meanShares();
    expect(predicted).toBeGreaterThan(0.65);
    expect(predicted).toBeLessThan(own - 0.02);
    const quiet = meanShares(syntheticRequests({ ...options, noise: 0 }));
    expect(quiet.own - quiet.predicted).toBeLessThan((own - predicted) / 2);
  });

  it("chooses experts together: tokens of a topic have many in common, others few", () => {
    const varianceAt = (correlation: number): number => {
      const [request] = syntheticRequests({ ...options, correlation, noise: 0, skew: 0, count: 1 });
      return variance((request?.actual.sets ?? []).flatMap(commonExperts));
    };
    expect(varianceAt(2)).toBeGreaterThan(2 * varianceAt(0));
  });

  it("turns out as skewed as it is told", () => {
    const flat = meanShares(syntheticRequests({ ...options, skew: 0, correlation: 0, noise: 0 }));
    const steep = meanShares(syntheticRequests({ ...options, skew: DEMAND_DEFAULTS.skew * 2 }));
    expect(flat.predicted).toBeCloseTo(0.5, 1);
    expect(steep.own).toBeGreaterThan(meanShares().own);
  });
});

/** How many experts each token shares with the one before it. */
function commonExperts({ experts, weights }: RoutedSets): number[] {
  const k = options.shape.expertsPerToken;
  const setOf = (token: number): Uint16Array => experts.subarray(token * k, (token + 1) * k);
  return [...weights.keys()].slice(1).map((token) => setOf(token).filter((e) => setOf(token - 1).includes(e)).length);
}

function variance(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
}
