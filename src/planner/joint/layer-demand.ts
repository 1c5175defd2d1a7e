import type { LayerCounts } from "../layer-counts.ts";
import { loadOf, type PrefillLoad } from "../layer-time.ts";
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
  /** Those that were asked for. [experts + 1], [experts + 1][replicas], the same */
  readonly #remote: (readonly number[])[] = [];
  readonly #replicas: (readonly (readonly number[])[])[][] = [];
  readonly #loads: (readonly ReplicaLoad[])[][] = [];
  /** Of the first r experts together. [experts + 1] */
  readonly #rowsBefore: Float64Array;
  readonly #usedBefore: Float64Array;

  /** @throws RangeError if there are no sets of the layer */
  constructor({ sizes, demand, workload }: PlanningProblem, layer: number) {
    const { experts, expertsPerToken } = sizes;
    const shares = demand.matrix.subarray(layer * experts, (layer + 1) * experts);
    const sets = demand.sets[layer];
    if (sets === undefined) throw new RangeError(`no sets of layer ${layer}`);
    const share = (expert: number): number => shares[expert] as number;
    this.order = [...shares.keys()].sort((a, b) => share(a) - share(b) || a - b);
    this.#rows = new RemoteRows(sets, this.order, expertsPerToken);
    this.#expertRows = new Float64Array(experts);
    this.#expertUsed = new Float64Array(experts);
    for (let place = 0; place < experts; place++) {
      const { rows, used } = loadOf(share(this.order[place] as number), workload.promptTokens * expertsPerToken);
      this.#expertRows[place] = rows;
      this.#expertUsed[place] = used;
    }
    this.#rowsBefore = sums(this.#expertRows);
    this.#usedBefore = sums(this.#expertUsed);
  }

  /** P(j of a token's rows are remote), j = 0 … k. [k + 1] */
  shares(r: number): Float64Array {
    return this.#rows.shares(r);
  }

  /** What prefill leaves to the main function. */
  local(r: number): PrefillLoad {
    const all = this.order.length;
    return {
      rows: (this.#rowsBefore[all] as number) - (this.#rowsBefore[r] as number),
      used: (this.#usedBefore[all] as number) - (this.#usedBefore[r] as number),
    };
  }

  /** R_l: the r experts of least utility, ascending. */
  remote(r: number): readonly number[] {
    this.#remote[r] ??= this.order.slice(0, r).sort((a, b) => a - b);
    return this.#remote[r];
  }

  /** R_{l,1} … R_{l,z}, as `splitReplicas` says. */
  replicas(r: number, z: number): readonly (readonly number[])[] {
    this.#replicas[r] ??= [];
    const own = this.#replicas[r];
    own[z] ??= z === 1 ? [this.remote(r)] : this.#splitReplicas(r, z);
    return own[z];
  }

  #splitReplicas(r: number, z: number): (readonly number[])[] {
    const experts = this.order.slice(0, r).map((expert, i) => ({ expert, load: this.#expertRows[i] as number }));
    return splitReplicas(experts, z);
  }

  /** What each of these replicas holds, without naming who is where. */
  replicaLoads(r: number, z: number): readonly ReplicaLoad[] {
    this.#loads[r] ??= [];
    const own = this.#loads[r];
    own[z] ??= z === 1 ? [this.evenLoad(r, 1)] : this.#loadReplicas(r, z);
    return own[z];
  }

  #loadReplicas(r: number, z: number): ReplicaLoad[] {
    const replicas = Array.from({ length: z }, () => ({ rows: 0, used: 0, experts: 0 }));
    for (let place = r - 1; place >= 0; place--) {
      const least = leastLoaded(replicas);
      least.rows += this.#expertRows[place] as number;
      least.used += this.#expertUsed[place] as number;
      least.experts++;
    }
    return replicas;
  }

  /** What each of them would have if all had the same: the fullest of them has no less. */
  evenLoad(r: number, z: number): ReplicaLoad {
    return {
      rows: (this.#rowsBefore[r] as number) / z,
      used: (this.#usedBefore[r] as number) / z,
      experts: Math.ceil(r / z),
    };
  }
}

/** Of placements whose remote experts are those of least utility, in replicas as `LayerDemand` splits them. */
export function countsOf(demands: readonly LayerDemand[]): LayerCounts {
  const of = (layer: number): LayerDemand => demands[layer] as LayerDemand;
  return {
    remoteShares: (layer, remote) => of(layer).shares(remote.length),
    prefillLoads: (layer, own) => ({
      local: of(layer).local(own?.remote.length ?? 0),
      remote: own === undefined ? [] : of(layer).replicaLoads(own.remote.length, own.replicas.length),
    }),
  };
}

/** What a replica holds, and prefill gives it. */
export interface ReplicaLoad extends PrefillLoad {
  readonly experts: number;
}

/** The replica with the fewest rows; of these the one with the fewest experts, then the first. */
function leastLoaded<T extends ReplicaLoad>(replicas: readonly T[]): T {
  let least = replicas[0] as T;
  for (const each of replicas) {
    if (each.rows < least.rows || (each.rows === least.rows && each.experts < least.experts)) least = each;
  }
  return least;
}

/** Of the first 0, 1, … numbers. */
function sums(numbers: Float64Array): Float64Array {
  const all = new Float64Array(numbers.length + 1);
  for (let i = 0; i < numbers.length; i++) all[i + 1] = (all[i] as number) + (numbers[i] as number);
  return all;
}
