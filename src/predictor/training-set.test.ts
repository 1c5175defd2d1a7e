import { describe, expect, it } from "vitest";
import { toActivationMatrix } from "./activation-matrix.ts";
import { softCosine } from "./similarity.ts";
import { createSyntheticWorld } from "./testing/synthetic-world.ts";
import { TrainingSet } from "./training-set.ts";

describe("TrainingSet", () => {
  const { shape, examples } = createSyntheticWorld({ examples: 100 });

  it("holds each example's prefill as an activation matrix and its vector at length 1", () => {
    const set = new TrainingSet(shape, examples);
    expect(set.size).toBe(100);
    for (const [i, { prefill, vector }] of examples.entries()) {
      expect(set.matrix(i)).toEqual(toActivationMatrix(prefill, shape));
      expect(softCosine(set.vectors.row(i), vector)).toBeCloseTo(1, 5);
    }
  });

  it("is the same whether examples come at once or one by one", () => {
    const set = new TrainingSet(shape);
    for (const example of examples) set.add(example);
    const atOnce = new TrainingSet(shape, examples);
    for (const i of examples.keys()) {
      expect(set.matrix(i)).toEqual(atOnce.matrix(i));
      expect(set.vectors.row(i)).toEqual(atOnce.vectors.row(i));
    }
  });
});
