import { assignToMedoids } from "./assign-to-medoids.ts";
import type { Clustering } from "./cluster.ts";
import type { Space } from "./space.ts";

/** Rounds after which the clusters are taken as they are; they mostly settle within ten. */
const MAX_ROUNDS = 20;

/**
 * The paper's customised k-medoids: a roulette wheel picks the first medoids, then every member joins its nearest medoid
 * and every cluster takes the medoid of its own members, until none changes.
 */
export function kMedoids(space: Space, random: () => number): Clustering {
  return (members, count) => {
    let clusters = assignToMedoids(space, members, seedMedoids(space, members, { count, random }));
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const medoids = clusters.map((cluster) => space.medoid(cluster.members));
      if (clusters.every((cluster, i) => cluster.medoid === medoids[i])) break;
      clusters = assignToMedoids(space, members, medoids);
    }
    return clusters;
  };
}

interface Seeding {
  readonly count: number;
  readonly random: () => number;
}

/** The first is any member, each further one a member with a chance in proportion to its distance to the nearest so far. */
function seedMedoids(space: Space, members: readonly number[], { count, random }: Seeding): number[] {
  const medoids: number[] = [];
  const chances = new Float64Array(members.length).fill(1);
  let total = members.length;
  while (medoids.length < count && total > 0) {
    const medoid = members[spin(chances, random() * total)] as number;
    total = 0;
    for (const [i, member] of members.entries()) {
      const distance = space.distance(member, medoid);
      chances[i] = medoids.length === 0 ? distance : Math.min(chances[i] as number, distance);
      total += chances[i] as number;
    }
    medoids.push(medoid);
  }
  return medoids;
}

/** The slot of the wheel that a point in [0, Σ chances) falls into. */
function spin(chances: Float64Array, point: number): number {
  let slot = 0;
  let end = chances[0] as number;
  while (end <= point && slot < chances.length - 1) {
    slot++;
    end += chances[slot] as number;
  }
  return slot;
}
