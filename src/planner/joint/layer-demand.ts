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
  /** Of each expert, in the order: rows, and the chance of any. */
  readonly #expertRows: Float64Array;
  readonly #expertUsed: Float64Array;
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
    const loads = this.order.map((expert) => loadOf(share(expert), workload.promptTokens * expertsPerToken));
    this.#expertRows = Float64Array.from(loads, ({ rows }) => rows);
    this.#expertUsed = Float64Array.from(loads, ({ used }) => used);
    this.#first = sums(loads);
    this.#others = sums(loads.toReversed()).toReversed();
  }

  /** P(j of a token's rows are remote), j = 0 … k. [k + 1] */
  shares(r: number): Float64Array {
    return this.#rows.shares(r);
  }

  /** What prefill leaves to the main function. */
  local(r: number): PrefillLoad {
    return this.#others[r] as PrefillLoad;
  }

  /** R_{l,1} … R_{l,z}, as `splitReplicas` says. */
  replicas(r: number, z: number): number[][] {
    if (z === 1) return [this.order.slice(0, r)];
    const experts = this.order.slice(0, r).map((expert, i) => ({ expert, load: this.#expertRows[i] as number }));
    return splitReplicas(experts, z);
  }

  /** What each of these replicas holds, without naming who is where. */
  replicaLoads(r: number, z: number): ReplicaLoad[] {
    if (z === 1) {
      const { rows, used } = this.#first[r] as PrefillLoad;
      return [{ rows, used, experts: r }];
    }
    const [rows, used, experts] = [new Float64Array(z), new Float64Array(z), new Int32Array(z)];
    for (let i = r - 1; i >= 0; i--) {
      const least = leastLoaded(rows, experts);
      rows[least] = (rows[least] as number) + (this.#expertRows[i] as number);
      used[least] = (used[least] as number) + (this.#expertUsed[i] as number);
      experts[least] = (experts[least] as number) + 1;
    }
    return Array.from(rows, (own, j) => ({ rows: own, used: used[j] as number, experts: experts[j] as number }));
  }

  /** What each of them would have if all had the same: the fullest of them has no less. */
  evenLoad(r: number, z: number): ReplicaLoad {
    const { rows, used } = this.#first[r] as PrefillLoad;
    return { rows: rows / z, used: used / z, experts: Math.ceil(r / z) };
  }
}

/** What a replica holds, and prefill gives it. */
export interface ReplicaLoad extends PrefillLoad {
  readonly experts: number;
}

/** The replica with the fewest rows; of these the one with the fewest experts, then the first. */
function leastLoaded(rows: Float64Array, experts: Int32Array): number {
  let least = 0;
  for (let j = 1; j < rows.length; j++) {
    const more = (rows[j] as number) - (rows[least] as number);
    if (more < 0 || (more === 0 && (experts[j] as number) < (experts[least] as number))) least = j;
  }
  return least;
}

/** Of the first 0, 1, … loads. */
function sums(loads: readonly PrefillLoad[]): PrefillLoad[] {
  const all = [NO_LOAD];
  for (const load of loads) all.push(addLoads(all.at(-1) as PrefillLoad, load));
  return all;
}
