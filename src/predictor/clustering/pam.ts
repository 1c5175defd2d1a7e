import { assignToMedoids } from "./assign-to-medoids.ts";
import type { Clustering } from "./cluster.ts";
import { indexOfLeast } from "./index-of-least.ts";
import type { Space } from "./space.ts";

/** A swap that gains less than this is rounding, and could be undone and done for ever. */
const LEAST_GAIN = 1e-6;

/**
 * Partitioning Around Medoids (Kaufman and Rousseeuw): greedy first medoids, then the best swap of a medoid with another
 * member for as long as one lowers the sum of distances. All swaps are judged in one pass over the pairs, as in FastPAM1
 * (Schubert and Rousseeuw 2019), which finds the same swap as judging them one by one. Takes 4 n² bytes.
 */
export function pam(space: Space): Clustering {
  return (members, count) => {
    const table = distanceTable(space, members);
    const medoids = buildMedoids(table, Math.min(count, members.length));
    while (improve(table, medoids));
    return assignToMedoids(
      space,
      members,
      medoids.map((medoid) => members[medoid] as number),
    );
  };
}

/** Row i holds the distances of member i to all. */
type DistanceTable = readonly Float32Array[];

function distanceTable(space: Space, members: readonly number[]): DistanceTable {
  const rows = members.map(() => new Float32Array(members.length));
  for (const [i, row] of rows.entries()) {
    for (let j = 0; j < i; j++) {
      const distance = space.distance(members[i] as number, members[j] as number);
      row[j] = distance;
      (rows[j] as Float32Array)[i] = distance;
    }
  }
  return rows;
}

/** BUILD: each further medoid is the one that leaves the least sum of distances. */
function buildMedoids(table: DistanceTable, count: number): number[] {
  const medoids: number[] = [];
  const nearest = new Float64Array(table.length).fill(Number.MAX_VALUE);
  while (medoids.length < count) {
    const medoid = indexOfLeast(table.map((row) => costWith(row, nearest)));
    const row = table[medoid] as Float32Array;
    for (let i = 0; i < row.length; i++) nearest[i] = Math.min(row[i] as number, nearest[i] as number);
    medoids.push(medoid);
  }
  return medoids;
}

/** Sum of the members' distances to their nearest medoids, with one more. Takes its row. */
function costWith(row: Float32Array, nearest: Float64Array): number {
  let cost = 0;
  for (let i = 0; i < row.length; i++) cost += Math.min(row[i] as number, nearest[i] as number);
  return cost;
}

/** SWAP: makes the best swap. False when none is worth it. */
function improve(table: DistanceTable, medoids: number[]): boolean {
  const reach = reachOf(table, medoids);
  let best = { change: -LEAST_GAIN, slot: -1, candidate: -1 };
  for (const [candidate, row] of table.entries()) {
    const { change, slot } = bestSwapFor(row, reach);
    if (change < best.change) best = { change, slot, candidate };
  }
  if (best.slot < 0) return false;
  medoids[best.slot] = best.candidate;
  return true;
}

/** Of every member the slot of its nearest medoid and the distances to that and to the second nearest. */
interface Reach {
  readonly slot: Uint16Array;
  readonly nearest: Float64Array;
  readonly second: Float64Array;
  /** By slot: what the sum of distances gains when the medoid goes and its members turn to their second nearest. */
  readonly removalLoss: Float64Array;
}

function reachOf(table: DistanceTable, medoids: readonly number[]): Reach {
  const slot = new Uint16Array(table.length);
  const nearest = new Float64Array(table.length);
  const second = new Float64Array(table.length);
  const removalLoss = new Float64Array(medoids.length);
  for (const [member, row] of table.entries()) {
    const distances = medoids.map((medoid) => row[medoid] as number);
    const at = indexOfLeast(distances);
    slot[member] = at;
    nearest[member] = distances[at] as number;
    second[member] = Math.min(Number.MAX_VALUE, ...distances.toSpliced(at, 1));
    removalLoss[at] = (removalLoss[at] as number) + (second[member] as number) - (nearest[member] as number);
  }
  return { slot, nearest, second, removalLoss };
}

/** The slot whose medoid a candidate replaces best, and the change of the sum of distances. Takes the candidate's row. */
function bestSwapFor(
  row: Float32Array,
  { slot, nearest, second, removalLoss }: Reach,
): { change: number; slot: number } {
  const changes = removalLoss.slice();
  let gain = 0;
  for (let member = 0; member < row.length; member++) {
    const distance = row[member] as number;
    const own = nearest[member] as number;
    const next = second[member] as number;
    if (distance >= next) continue;
    const at = slot[member] as number;
    if (distance < own) gain += distance - own;
    changes[at] = (changes[at] as number) + Math.max(distance, own) - next;
  }
  const best = indexOfLeast(changes);
  return { change: (changes[best] as number) + gain, slot: best };
}
