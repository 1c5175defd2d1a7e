import { describe, expect, it } from "vitest";
import { createRandom } from "../../core/random.ts";
import { createSyntheticWorld } from "../testing/synthetic-world.ts";
import { TrainingSet } from "../training-set.ts";
import { activationSpace } from "./activation-space.ts";
import { assignToMedoids } from "./assign-to-medoids.ts";
import type { Cluster } from "./cluster.ts";
import { kMedoids } from "./k-medoids.ts";
import { pam } from "./pam.ts";
import { similaritySpace } from "./similarity-space.ts";
import type { Space } from "./space.ts";

const world = createSyntheticWorld({ examples: 40 });
const set = new TrainingSet(world.shape, world.examples);
const everyone = [...world.examples.keys()];
const space = similaritySpace(set.vectors);

const clusterings = {
  "k-medoids": kMedoids(space, createRandom(1)),
  PAM: pam(space),
  "k-medoids of activations": kMedoids(activationSpace(set), createRandom(1)),
};

/** Sum of the members' distances to their medoids. */
function clusteringCost(space: Space, clusters: readonly Cluster[]): number {
  let cost = 0;
  for (const { medoid, members } of clusters) {
    for (const member of members) cost += space.distance(member, medoid);
  }
  return cost;
}

/** The best of all pairs of medoids. */
function leastCostOfTwo(members: readonly number[]): number {
  const costs = members.flatMap((first) =>
    members.map((second) => clusteringCost(space, assignToMedoids(space, members, [first, second]))),
  );
  return Math.min(...costs);
}

function membersOf(clusters: readonly Cluster[]): number[] {
  return clusters.flatMap(({ members }) => members).sort((a, b) => a - b);
}

describe.each(Object.entries(clusterings))("%s", (_, cluster) => {
  it("puts every member into exactly one cluster that has its medoid in it", () => {
    const clusters = cluster(everyone, 5);
    expect(clusters).toHaveLength(5);
    expect(membersOf(clusters)).toEqual(everyone);
    for (const { medoid, members } of clusters) expect(members).toContain(medoid);
  });

  it("takes members that are not all", () => {
    const some = [3, 30, 7, 22, 11, 15];
    expect(membersOf(cluster(some, 2))).toEqual(some.toSorted((a, b) => a - b));
  });

  it("makes a single cluster of a single member", () => {
    expect(cluster([4], 3)).toEqual([{ medoid: 4, members: [4] }]);
  });
});

describe("k-medoids", () => {
  it("costs no more than medoids drawn at random", () => {
    const random = createRandom(2);
    const cost = clusteringCost(space, kMedoids(space, random)(everyone, 4));
    for (let draw = 0; draw < 100; draw++) {
      const medoids = Array.from({ length: 4 }, () => Math.floor(random() * everyone.length));
      expect(cost).toBeLessThanOrEqual(clusteringCost(space, assignToMedoids(space, everyone, medoids)));
    }
  });

  it("leaves every cluster with the medoid of its own members", () => {
    for (const { medoid, members } of kMedoids(space, createRandom(3))(everyone, 4)) {
      expect(space.medoid(members)).toBe(medoid);
    }
  });

  it("depends on its random numbers alone", () => {
    const run = (seed: number): readonly Cluster[] => kMedoids(space, createRandom(seed))(everyone, 4);
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });
});

describe("PAM", () => {
  it("finds the best two medoids there are", () => {
    expect(clusteringCost(space, pam(space)(everyone, 2))).toBeCloseTo(leastCostOfTwo(everyone), 5);
  });

  it("ends where no swap of a medoid lowers the cost", () => {
    const clusters = pam(space)(everyone, 4);
    const medoids = clusters.map(({ medoid }) => medoid);
    const cost = clusteringCost(space, clusters);
    for (const slot of medoids.keys()) {
      for (const candidate of everyone) {
        const swapped = assignToMedoids(space, everyone, medoids.with(slot, candidate));
        expect(clusteringCost(space, swapped)).toBeGreaterThan(cost - 1e-5);
      }
    }
  });
});

describe.each<[string, Space, (distance: number) => number]>([
  ["similarity", space, (distance) => distance],
  ["activation", activationSpace(set), (distance) => distance ** 2],
])("the %s space", (_, { distance, medoid }, cost) => {
  it("has the medoid that comparing every pair finds", () => {
    const sums = everyone.map((member) => everyone.reduce((sum, other) => sum + cost(distance(member, other)), 0));
    expect(medoid(everyone)).toBe(sums.indexOf(Math.min(...sums)));
  });

  it("is symmetric, and 0 from an example to itself", () => {
    expect(distance(3, 8)).toBe(distance(8, 3));
    expect(distance(3, 3)).toBeCloseTo(0, 6);
  });
});
