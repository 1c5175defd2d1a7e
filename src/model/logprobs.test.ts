import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { logprobs } from "./logprobs.ts";

describe("logprobs", () => {
  it("are the logarithms of the probabilities, best first", () => {
    const logits = Float32Array.from([0.1, 0.4, 0.2, 0.3].map(Math.log));
    const { logprob, top } = logprobs(logits, 2, 3);
    expect(Math.exp(logprob)).toBeCloseTo(0.2, 6);
    expect(top.map(({ token }) => token)).toEqual([1, 3, 2]);
    expect(top.map(({ logprob: value }) => Math.exp(value))).toEqual(
      [0.4, 0.3, 0.2].map((probability) => expect.closeTo(probability, 6)),
    );
    expect(top[2]?.logprob).toBe(logprob);
  });

  it("stay exact where the exponentials alone would overflow", () => {
    const { logprob } = logprobs(Float32Array.of(1000, 1000, -1000), 0, 0);
    expect(logprob).toBeCloseTo(-Math.LN2, 12);
  });

  it("leave masked tokens out of the top, and ask for no more tokens than there are", () => {
    const { top } = logprobs(Float32Array.of(Number.NEGATIVE_INFINITY, 1, 1), 1, 5);
    expect(top.map(({ token }) => token)).toEqual([1, 2]);
  });

  it("refuse NaN", () => {
    expect(() => logprobs(Float32Array.of(1, Number.NaN), 0, 0)).toThrow("token 1 has the logit NaN");
  });

  it("agree with sorting everything, and sum to one", () => {
    const values = fc.array(fc.oneof(fc.float({ min: -30, max: 30, noNaN: true }), fc.constantFrom(0, 1)), {
      minLength: 1,
      maxLength: 60,
    });
    const agrees = fc.property(values, fc.integer({ min: 0, max: 20 }), (numbers, topN) => {
      const logits = Float32Array.from(numbers);
      const { top } = logprobs(logits, 0, topN);
      const ranked = [...logits.entries()].sort(([a, x], [b, y]) => y - x || a - b).map(([token]) => token);
      expect(top.map(({ token }) => token)).toEqual(ranked.slice(0, topN));
      const all = logprobs(logits, 0, logits.length).top;
      expect(all.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, 9);
    });
    fc.assert(agrees, { seed: 3, numRuns: 500 });
  });
});
