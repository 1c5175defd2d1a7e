import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type HistoryEntry, needsCompaction, retainEntries } from "./eviction.ts";

const entriesOf = (keys: string): HistoryEntry[] =>
  [...keys].map((promptKey, index) => ({ offset: index, bytes: 10, promptKey }));

const keptOf = (keys: string, maxRecords: number): string =>
  retainEntries(entriesOf(keys), 100, { maxRecords, maxBytes: 10_000 })
    .map(({ offset, promptKey }) => `${promptKey}${offset}`)
    .join(" ");

describe("what stays of a history", () => {
  it("is everything within the limits, duplicates too", () => {
    expect(keptOf("aab", 3)).toBe("a0 a1 b2");
  });

  it("is the newest if every prompt is another", () => {
    expect(keptOf("abcd", 2)).toBe("c2 d3");
  });

  it("is a unique prompt rather than an older copy of a repeated one", () => {
    expect(keptOf("xaabab", 5)).toBe("x0 a2 b3 a4 b5");
    expect(keptOf("xaabab", 3)).toBe("x0 a4 b5");
    expect(keptOf("xaabab", 2)).toBe("a4 b5");
  });

  it("is the newest record at least", () => {
    expect(retainEntries(entriesOf("ab"), 100, { maxRecords: 1, maxBytes: 1 })).toHaveLength(1);
    expect(keptOf("ab", 0)).toBe("b1");
  });

  it("fits the limits, in its order, with no record to spare", () => {
    const keys = fc.array(fc.constantFrom(..."abcdef"), { minLength: 1, maxLength: 40 });
    const fits = fc.property(keys, fc.integer({ min: 1, max: 50 }), fc.nat(500), (chosen, maxRecords, maxBytes) => {
      const entries = entriesOf(chosen.join(""));
      const kept = retainEntries(entries, 100, { maxRecords, maxBytes });
      const room = Math.max(1, Math.min(maxRecords, entries.length, Math.floor((maxBytes - 100) / 10)));
      expect(kept).toHaveLength(room);
      expect(kept).toEqual(entries.filter((entry) => kept.includes(entry)));
      expect(kept.at(-1)).toBe(entries.at(-1));
    });
    fc.assert(fits, { seed: 5, numRuns: 1_000 });
  });
});

it("a file is written anew when it is a quarter over a limit", () => {
  const limits = { maxRecords: 100, maxBytes: 1000 };
  expect(needsCompaction(125, 1250, limits)).toBe(false);
  expect(needsCompaction(126, 0, limits)).toBe(true);
  expect(needsCompaction(0, 1251, limits)).toBe(true);
});
