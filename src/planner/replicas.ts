/** An expert and what it adds to the time of a replica that holds it, in any unit; not negative. */
export interface ExpertLoad {
  readonly expert: number;
  readonly load: number;
}

/**
 * R_{l,1} … R_{l,z}: splits a layer's remote experts so that the most loaded replica has little to do. Longest first
 * onto the least loaded (LPT): at most 4/3 − 1/(3z) times the best split there is (Graham 1969). Equal loads go by
 * expert and equal replicas by how few they hold, so that equal inputs have equal splits and no replica stays empty.
 * @returns z replicas, each with its experts in ascending order; fewer where there are fewer experts
 */
export function splitReplicas(experts: readonly ExpertLoad[], z: number): number[][] {
  const replicas = Array.from({ length: Math.min(z, experts.length) }, () => ({ load: 0, experts: [] as number[] }));
  const longestFirst = experts.toSorted((a, b) => b.load - a.load || a.expert - b.expert);
  for (const { expert, load } of longestFirst) {
    let [least] = replicas as [(typeof replicas)[number]];
    for (const each of replicas) {
      if ((each.load - least.load || each.experts.length - least.experts.length) < 0) least = each;
    }
    least.load += load;
    least.experts.push(expert);
  }
  return replicas.map((replica) => replica.experts.sort((a, b) => a - b));
}

/**
 * Theorem 4 of Remoe (arXiv 2512.18674): what the most loaded of z replicas has at most when experts are split longest
 * first, T/z + (z − 1)/z N^up. The expert that makes it the most loaded one went to the least loaded, so to at most the
 * mean of the others' loads (Graham 1969).
 * @param total T: the load of all experts
 * @param mostOfOne N^up: the greatest load of one expert
 */
export function mostOfReplica(total: number, mostOfOne: number, z: number): number {
  return Math.min(total, total / z + ((z - 1) / z) * mostOfOne);
}
