import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { balanceGroups, type ExpertGroup, groupByExpert, routeRows } from "./routing.ts";

const RUNS = { seed: 20_260_102, numRuns: 200 };

/** What a gate may choose: k different experts for each token. */
const choices = fc
  .record({ experts: fc.integer({ min: 1, max: 12 }), tokens: fc.integer({ min: 0, max: 30 }) })
  .chain(({ experts, tokens }) =>
    fc.integer({ min: 1, max: experts }).chain((k) => {
      const one = fc.shuffledSubarray([...Array(experts).keys()], { minLength: k, maxLength: k });
      return fc.array(one, { minLength: tokens, maxLength: tokens }).map((rows) => ({ k, experts, rows }));
    }),
  );

describe("routeRows", () => {
  it("takes every choice of a kept expert once, and says where its output belongs", () => {
    const property = fc.property(choices, fc.func(fc.boolean()), ({ k, rows }, keep) => {
      const chosen = Int32Array.from(rows.flat());
      const routed = routeRows(chosen, k, keep);
      const slots = [...chosen.keys()].filter((slot) => keep(chosen[slot] as number));
      expect(routed.count).toBe(slots.length);
      expect([...routed.slots].sort((a, b) => a - b)).toEqual(slots);
      expect([...routed.experts]).toEqual([...routed.slots].map((slot) => chosen[slot]));
      expect([...routed.tokens]).toEqual([...routed.slots].map((slot) => Math.floor(slot / k)));
    });
    fc.assert(property, RUNS);
  });

  it("orders by expert, and by token within an expert", () => {
    const property = fc.property(choices, ({ k, rows }) => {
      const { experts, tokens, count } = routeRows(Int32Array.from(rows.flat()), k, () => true);
      for (let i = 1; i < count; i++) {
        const [before, here] = [i - 1, i].map((row) => [experts[row], tokens[row]] as [number, number]);
        expect(
          before?.[0] === here?.[0] ? (before?.[1] ?? 0) < (here?.[1] ?? 0) : (before?.[0] ?? 0) < (here?.[0] ?? 0),
        ).toBe(true);
      }
    });
    fc.assert(property, RUNS);
  });

  it("keeps nothing of an empty batch", () => {
    expect(routeRows(new Int32Array(0), 2, () => true).count).toBe(0);
  });
});

describe("groupByExpert", () => {
  it("cuts the rows into runs of one expert, none longer than allowed, none shorter than it must be", () => {
    const property = fc.property(choices, fc.integer({ min: 1, max: 9 }), ({ k, rows }, maxRows) => {
      const routed = routeRows(Int32Array.from(rows.flat()), k, () => true);
      const groups = groupByExpert(routed, maxRows);
      const covered = groups.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
      expect(covered).toEqual([...Array(routed.count).keys()]);
      for (const { expert, first, count } of groups) {
        expect(count).toBeLessThanOrEqual(maxRows);
        expect(routed.experts.subarray(first, first + count).every((id) => id === expert)).toBe(true);
      }
      const needed = [...new Set(routed.experts)].map((expert) =>
        Math.ceil(routed.experts.filter((id) => id === expert).length / maxRows),
      );
      expect(groups).toHaveLength(needed.reduce((a, b) => a + b, 0));
    });
    fc.assert(property, RUNS);
  });
});

describe("balanceGroups", () => {
  const groupsOf = (counts: readonly number[]): ExpertGroup[] =>
    counts.map((count, expert) => ({ expert, count, first: counts.slice(0, expert).reduce((a, b) => a + b, 0) }));
  const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 8 });
  const bins = fc.integer({ min: 1, max: 4 });
  const heaviest = (split: readonly (readonly ExpertGroup[])[]): number =>
    Math.max(...split.map((groups) => groups.reduce((sum, { count }) => sum + count, 0)));

  it("gives every group to one bin, and leaves no bin empty", () => {
    const property = fc.property(sizes, bins, (counts, z) => {
      const groups = groupsOf(counts);
      const split = balanceGroups(groups, z);
      expect(split.flat().sort((a, b) => a.first - b.first)).toEqual(groups);
      expect(split).toHaveLength(Math.min(z, groups.length));
      expect(split.every((bin) => bin.length > 0)).toBe(true);
    });
    fc.assert(property, RUNS);
  });

  it("loads no bin more than (4/3 - 1/(3z)) times the optimum (Graham, 1969)", () => {
    const nonEmpty = sizes.filter((counts) => counts.length > 0);
    const property = fc.property(nonEmpty, bins, (counts, z) => {
      const bound = (4 / 3 - 1 / (3 * z)) * optimum(counts, z);
      expect(heaviest(balanceGroups(groupsOf(counts), z))).toBeLessThanOrEqual(bound + 1e-9);
    });
    fc.assert(property, RUNS);
  });

  it("does not depend on the order the groups come in", () => {
    const property = fc.property(sizes, bins, (counts, z) => {
      const groups = groupsOf(counts);
      expect(balanceGroups(groups.toReversed(), z)).toEqual(balanceGroups(groups, z));
    });
    fc.assert(property, RUNS);
  });
});

/** The smallest possible heaviest bin, by trying every placement. */
function optimum(counts: readonly number[], bins: number): number {
  const loads = Array<number>(bins).fill(0);
  const place = (i: number): number => {
    const count = counts[i];
    if (count === undefined) return Math.max(...loads);
    return Math.min(
      ...[...loads.keys()].map((bin) => {
        loads[bin] = (loads[bin] as number) + count;
        const best = place(i + 1);
        loads[bin] = (loads[bin] as number) - count;
        return best;
      }),
    );
  };
  return place(0);
}
