import { describe, expect, it } from "vitest";
import { ContextCounts } from "./context-counts.ts";
import type { RoutingSample } from "./example.ts";
import { NgramTable } from "./ngram-table.ts";
import { createSyntheticWorld } from "./testing/synthetic-world.ts";

const SHAPE = { layers: 1, experts: 4 };

/** A sample of a model with one layer that chooses one expert. */
function sampleOf(...routed: readonly (readonly [token: number, expert: number])[]): RoutingSample {
  return {
    tokens: Uint32Array.from(routed, ([token]) => token),
    experts: Uint16Array.from(routed, ([, expert]) => expert),
  };
}

describe("NgramTable", () => {
  it("shrinks a token's counts towards the counts of all tokens, and those towards uniform", () => {
    const table = new NgramTable(SHAPE, { order: 1, shrinkage: 2 });
    table.add(sampleOf([7, 0], [7, 0], [8, 1]));
    const all = [2 + 2 / 4, 1 + 2 / 4, 2 / 4, 2 / 4].map((pairs) => pairs / 5);
    const expected = [2, 0, 0, 0].map((pairs, expert) => (pairs + 2 * (all[expert] ?? 0)) / 4);
    for (const [expert, share] of table.predict([7]).entries()) expect(share).toBeCloseTo(expected[expert] ?? -1, 6);
    for (const [expert, share] of table.predict([9]).entries()) expect(share).toBeCloseTo(all[expert] ?? -1, 6);
  });

  it("tells the same token apart by the tokens before it", () => {
    const table = new NgramTable(SHAPE, { order: 2, shrinkage: 0.1 });
    for (let i = 0; i < 5; i++) {
      table.add(sampleOf([1, 3], [7, 0]));
      table.add(sampleOf([2, 3], [7, 1]));
    }
    const [afterOne, afterTwo] = [table.predict([1, 7]), table.predict([2, 7])];
    expect(afterOne[0]).toBeGreaterThan(0.45);
    expect(afterTwo[1]).toBeGreaterThan(0.45);
    expect(afterTwo[0]).toBeLessThan(0.05);
  });

  it("predicts as before once a sample is taken back", () => {
    const { examples, unseen, shape } = createSyntheticWorld();
    const table = new NgramTable(shape);
    for (const { prefillSample } of examples.slice(1)) table.add(prefillSample);
    const before = unseen.map(({ tokens }) => table.predict(tokens));
    const sample = examples[0]?.prefillSample as RoutingSample;
    table.add(sample);
    table.remove(sample);
    expect(unseen.map(({ tokens }) => table.predict(tokens))).toEqual(before);
  });

  it("says by its residual what it missed: none where it is sure and right", () => {
    const table = new NgramTable(SHAPE, { order: 1, shrinkage: 0.01 });
    for (let i = 0; i < 50; i++) table.add(sampleOf([7, 0], [8, 1]));
    const right = table.residual(sampleOf([7, 0], [8, 1]));
    const wrong = table.residual(sampleOf([7, 2]));
    expect(Math.max(...right.map(Math.abs))).toBeLessThan(0.01);
    expect(wrong[0]).toBeCloseTo(-1, 2);
    expect(wrong[2]).toBeCloseTo(1, 2);
  });

  it("goes on predicting shares when its memory is full", () => {
    const { examples, unseen, shape } = createSyntheticWorld();
    const table = new NgramTable(shape, { maxBytes: 1000 });
    for (const { prefillSample } of examples) table.add(prefillSample);
    for (const { tokens } of unseen) {
      const matrix = table.predict(tokens);
      expect(matrix.reduce((a, b) => a + b, 0)).toBeCloseTo(shape.layers, 4);
    }
  });
});

describe("ContextCounts", () => {
  it("keeps what is used and forgets what was not used lately", () => {
    const counts = new ContextCounts(1, 3);
    for (const key of [1, 2, 3]) counts.claim(key)[0] = key;
    counts.claim(4)[0] = 4;
    counts.claim(2);
    counts.claim(5)[0] = 5;
    expect(counts.size).toBe(3);
    expect([1, 2, 3, 4, 5].map((key) => counts.find(key)?.[0])).toEqual([undefined, 2, undefined, 4, 5]);
  });

  it("gives a new context zeros, also in a row that was used", () => {
    const counts = new ContextCounts(2, 1);
    counts.claim(1).fill(9);
    expect([...counts.claim(2)]).toEqual([0, 0]);
  });
});
