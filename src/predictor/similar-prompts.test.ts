import { describe, expect, it } from "vitest";
import type { Example } from "./example.ts";
import { decodeSamples, SimilarPrompts } from "./similar-prompts.ts";
import { createSyntheticWorld } from "./testing/synthetic-world.ts";

const { shape, examples, unseen } = createSyntheticWorld();
const prompts = new SimilarPrompts(examples, shape.dimensions);

describe("similar prompts", () => {
  it("are the fifteen nearest, the nearest first and heaviest, with weights that sum to 1", () => {
    for (const { vector } of unseen) {
      const similar = prompts.nearest(vector);
      const weights = similar.map(({ weight }) => weight);
      expect(similar).toHaveLength(15);
      expect(weights).toEqual(weights.toSorted((a, b) => b - a));
      expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    }
  });

  it("find a prompt itself once it was added", () => {
    const growing = new SimilarPrompts(examples, shape.dimensions);
    const added = unseen[0] as Example;
    growing.add(added);
    expect(growing.nearest(added.vector)[0]?.example).toBe(added);
  });

  it("fall into groups that their neighbours share more often than chance would have it", () => {
    const groups = unseen.map(({ vector }) => prompts.groupOf(vector));
    const shared = unseen.map(({ vector }, i) => {
      const nearest = prompts.nearest(vector).slice(0, 3);
      return nearest.filter(({ example }) => prompts.groupOf(example.vector) === groups[i]).length / 3;
    });
    expect(new Set(groups).size).toBeGreaterThan(1);
    expect(shared.reduce((a, b) => a + b) / shared.length).toBeGreaterThan(0.3);
  });

  it("are none, of no group, before anything is known", () => {
    const empty = new SimilarPrompts([], shape.dimensions);
    expect(empty.nearest(new Float32Array(shape.dimensions))).toEqual([]);
    expect(empty.groupOf(new Float32Array(shape.dimensions))).toBeNull();
  });
});

describe("samples of decode", () => {
  it("are those of the prompt where nothing was decoded", () => {
    const [first, second] = examples as [Example, Example];
    const silent = { ...second, decodeSample: { tokens: new Uint32Array(0), experts: new Uint16Array(0) } };
    const samples = decodeSamples([
      { example: first, weight: 0.5 },
      { example: silent, weight: 0.5 },
    ]);
    expect(samples.map(({ sample }) => sample)).toEqual([first.decodeSample, second.prefillSample]);
  });
});
