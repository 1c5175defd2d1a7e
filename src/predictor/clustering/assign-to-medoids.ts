import type { Cluster } from "./cluster.ts";
import { indexOfLeast } from "./index-of-least.ts";
import type { Space } from "./space.ts";

/** Every member joins its nearest medoid, the first of equally near ones. A medoid that nobody joins is left out. */
export function assignToMedoids(space: Space, members: readonly number[], medoids: readonly number[]): Cluster[] {
  const clusters = medoids.map((medoid) => ({ medoid, members: [] as number[] }));
  const distances = new Float64Array(medoids.length);
  for (const member of members) {
    for (let i = 0; i < medoids.length; i++) distances[i] = space.distance(member, medoids[i] as number);
    clusters[indexOfLeast(distances)]?.members.push(member);
  }
  return clusters.filter((cluster) => cluster.members.length > 0);
}
