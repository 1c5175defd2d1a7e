import { addLoads, loadOf, NO_LOAD, type PrefillLoad } from "../layer-time.ts";
import type { PlanningProblem } from "../problem.ts";
import { RemoteRows } from "../remote-rows.ts";
import { splitReplicas } from "../replicas.ts";

/**
 * What a layer activates, by how many of its experts are remote. The r of least utility are, as in Remoe
 * (arXiv 2512.18674): u = k (N^in + N^out) S̃, which orders experts as S̃ does; equal ones go by id.
 */
export class LayerDemand {
  /** Experts, of least utility first. */
  readonly order: readonly number[];
  readonly #rows: RemoteRows;
  /** Of each expert, in the order. */
  readonly #loads: readonly PrefillLoad[];
  /** Of the first r experts, r = 0 … K; and of the others. */
  readonly #first: readonly PrefillLoad[];
  readonly #others: readonly PrefillLoad[];

  /** @throws RangeError if there are no sets of the layer */
  constructor({ sizes, demand, workload }: PlanningProblem, layer: number) {
    const { experts, expertsPerToken } = sizes;
    const shares = demand.matrix.subarray(layer * experts, (layer + 1) * experts);
    const sets = demand.sets[layer];
    if (sets === undefined) throw new RangeError(`no sets of layer ${layer}`);
    const share = (expert: number): number => shares[expert] as number;
    this.order = [...shares.keys()].sort((a, b) => share(a) - share(b) || a - b);
    this.#rows = new RemoteRows(sets, this.order, expertsPerToken);
    this.#loads = this.order.map((expert) => loadOf(share(expert), workload.promptTokens * expertsPerToken));
    this.#first = sums(this.#loads);
    this.#others = sums(this.#loads.toReversed()).toReversed();
  }

  /** P(j of a token's rows are remote), j = 0 … k. [k + 1] */
  shares(r: number): Float64Array {
    return this.#rows.shares(r);
  }

  /** What prefill leaves to the main function. */
  local(r: number): PrefillLoad {
    return this.#others[r] as PrefillLoad;
  }

  /** R_{l,1} … R_{l,z} */
  replicas(r: number, z: number): number[][] {
    if (z === 1) return [this.order.slice(0, r)];
    const experts = this.#loads.slice(0, r).map(({ rows }, i) => ({ expert: this.order[i] as number, load: rows }));
    return splitReplicas(experts, z);
  }

  /** What each of these replicas holds: as `replicas` splits, without naming who is where. */
  replicaLoads(r: number, z: number): ReplicaLoad[] {
    if (z === 1) return [{ ...(this.#first[r] as PrefillLoad), experts: r }];
    const replicas = Array.from({ length: z }, () => ({ rows: 0, used: 0, experts: 0 }));
    for (let i = r - 1; i >= 0; i--) {
      const { rows, used } = this.#loads[i] as PrefillLoad;
      const least = leastLoaded(replicas);
      least.rows += rows;
      least.used += used;
      least.experts++;
    }
    return replicas;
  }
}

export interface ReplicaLoad extends PrefillLoad {
  readonly experts: number;
}

function leastLoaded<T extends ReplicaLoad>(replicas: readonly T[]): T {
  let least = replicas[0] as T;
  for (const each of replicas) {
    if (each.rows < least.rows || (each.rows === least.rows && each.experts < least.experts)) least = each;
  }
  return least;
}

/** Of the first 0, 1, … loads. */
function sums(loads: readonly PrefillLoad[]): PrefillLoad[] {
  const all = [NO_LOAD];
  for (const load of loads) all.push(addLoads(all.at(-1) as PrefillLoad, load));
  return all;
}
