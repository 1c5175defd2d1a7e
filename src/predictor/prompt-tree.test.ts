import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import type { Clustering } from "./clustering/cluster.ts";
import { kMedoids } from "./clustering/k-medoids.ts";
import { similaritySpace } from "./clustering/similarity-space.ts";
import { PromptTree, type PromptTreeOptions } from "./prompt-tree.ts";
import { createSyntheticWorld } from "./testing/synthetic-world.ts";
import { VectorMatrix } from "./vector-matrix.ts";

const world = createSyntheticWorld({ examples: 300 });
const queries = world.unseen.map(({ vector }) => vector);

function vectorsOf(vectors: readonly Float32Array[]): VectorMatrix {
  const matrix = new VectorMatrix(world.shape.dimensions);
  for (const vector of vectors) matrix.push(vector);
  return matrix;
}

const all = vectorsOf(world.examples.map(({ vector }) => vector));

/** What a query gets to choose from is its leaf, as in the paper. */
const PAPER = { beta: 20, forks: () => 3, candidates: 0 };

function treeOf(vectors: VectorMatrix, options: Partial<PromptTreeOptions> = {}): PromptTree {
  return new PromptTree(vectors, kMedoids(similaritySpace(vectors), createRandom(1)), { ...PAPER, ...options });
}

describe("PromptTree", () => {
  it("answers as brute force does while one leaf holds all", () => {
    const tree = treeOf(all, { beta: 300 });
    for (const query of queries) expect(tree.nearest(query, 15)).toEqual(all.topAlpha(query, 15));
  });

  it("answers as brute force does when asked for all", () => {
    const tree = treeOf(all);
    for (const query of queries) expect(tree.nearest(query, 300)).toEqual(all.topAlpha(query, 300));
  });

  it("finds more of what brute force finds the more candidates it compares", () => {
    const found = [0, 50, 150, 300].map((candidates) => {
      const tree = treeOf(all, { candidates });
      return queries.flatMap((query) => {
        const { indices } = all.topAlpha(query, 10);
        return tree.nearest(query, 10).indices.filter((index) => indices.includes(index));
      }).length;
    });
    const [leaf, few, many, everyone] = found as [number, number, number, number];
    expect(leaf).toBeGreaterThan(0);
    expect(few).toBeGreaterThan(leaf);
    expect(many).toBeGreaterThan(few);
    expect(everyone).toBe(10 * queries.length);
  });

  it("goes down to the group a query belongs to", () => {
    const vectors = vectorsOf([0, 180, 0, 180].map(atAngle));
    expect(treeOf(vectors, { beta: 2, forks: () => 2 }).nearest(atAngle(170), 2).indices).toEqual([1, 3]);
  });

  it("adds the members of siblings, nearest first, when a leaf has fewer than α", () => {
    const angles = [0, 1, 40, 41, 90, 91, 92];
    const vectors = vectorsOf(angles.map(atAngle));
    const byTens: Clustering = () => [
      { medoid: 0, members: [0, 1] },
      { medoid: 2, members: [2, 3] },
      { medoid: 4, members: [4, 5, 6] },
    ];
    const tree = new PromptTree(vectors, byTens, { ...PAPER, beta: 3 });
    expect(tree.nearest(atAngle(-1), 2).indices).toEqual([0, 1]);
    expect(tree.nearest(atAngle(-1), 3).indices).toEqual([0, 1, 2]);
    expect(tree.nearest(atAngle(30), 4).indices).toEqual([2, 3, 1, 0]);

    expect(tree.nearest(atAngle(80), 7).indices).toEqual([4, 5, 6, 3, 2, 1, 0]);
  });

  it("keeps prompts that are all alike in one leaf", () => {
    const same = vectorsOf(Array.from({ length: 100 }, () => atAngle(10)));
    expect(treeOf(same).nearest(atAngle(11), 5).indices).toEqual([0, 1, 2, 3, 4]);
  });

  it("has nothing to find when it is empty", () => {
    expect(treeOf(vectorsOf([])).nearest(atAngle(0), 5).indices).toEqual([]);
  });

  describe("update", () => {
    it("takes in prompts added since, and splits the leaves they fill", () => {
      const vectors = vectorsOf([]);
      let splits = 0;
      const cluster = kMedoids(similaritySpace(vectors), createRandom(1));
      const counting: Clustering = (...split) => {
        splits++;
        return cluster(...split);
      };
      const tree = new PromptTree(vectors, counting, PAPER);
      for (const { vector } of world.examples) vectors.push(vector);
      tree.update();
      expect(splits).toBeGreaterThan(10);
      for (const query of queries) expect(tree.nearest(query, 300)).toEqual(all.topAlpha(query, 300));
    });

    it("does not try to split prompts that are all alike with each that joins them", () => {
      const vectors = vectorsOf([]);
      let attempts = 0;
      const single: Clustering = (members) => {
        attempts++;
        return [{ medoid: 0, members }];
      };
      const tree = new PromptTree(vectors, single, PAPER);
      for (let i = 0; i < 300; i++) vectors.push(atAngle(10));
      tree.update();
      expect(attempts).toBe(4);
    });
  });
});

/** A unit vector in the plane of the first two dimensions. */
function atAngle(degrees: number): Float32Array {
  const vector = new Float32Array(world.shape.dimensions);
  const radians = (degrees * Math.PI) / 180;
  vector.set([Math.cos(radians), Math.sin(radians)]);
  return vector;
}
