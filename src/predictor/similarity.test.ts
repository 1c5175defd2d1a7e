import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lengthOf, promptVector } from "./prompt-vector.ts";
import { softCosine, softCosineByDefinition } from "./similarity.ts";
import { toUnit } from "./unit-vector.ts";

const DIMENSIONS = 5;
const coordinate = fc.integer({ min: -1000, max: 1000 });
const embedding = fc
  .array(coordinate, { minLength: DIMENSIONS, maxLength: DIMENSIONS })
  .filter((row) => row.some((x) => x !== 0))
  .map((row) => Float32Array.from(row));
const prompt = fc.array(embedding, { minLength: 1, maxLength: 12 });

function vectorOf(rows: readonly Float32Array[]): Float32Array {
  return promptVector([...rows.keys()], (token) => rows[token] ?? null, DIMENSIONS);
}

describe("softCosine", () => {
  it("is the soft cosine of the definition", () => {
    fc.assert(
      fc.property(prompt, prompt, (first, second) => {
        const [u, v] = [vectorOf(first), vectorOf(second)];
        // Embeddings that cancel out leave nothing but rounding to compare.
        fc.pre(lengthOf(u) > 0.5 && lengthOf(v) > 0.5);
        expect(Math.abs(softCosine(u, v) - softCosineByDefinition(first.map(toUnit), second.map(toUnit)))).toBeLessThan(
          1e-6,
        );
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  it("is 1 for prompts of the same tokens in any order and number of repetitions", () => {
    const [a, b] = [Float32Array.of(1, 0, 2, 0, 0), Float32Array.of(0, -1, 0, 0, 3)];
    expect(softCosine(vectorOf([a, b]), vectorOf([b, a, a, b]))).toBeCloseTo(1, 6);
  });

  it("is 0 for a prompt of which nothing is known", () => {
    const known = vectorOf([Float32Array.of(1, 0, 2, 0, 0)]);
    expect(softCosine(new Float32Array(DIMENSIONS), known)).toBe(0);
    expect(softCosineByDefinition([], [known])).toBe(0);
  });
});
