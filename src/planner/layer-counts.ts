import { loadOfAll, type PrefillLoad } from "./layer-time.ts";
import type { LayerPlan } from "./plan.ts";
import type { PlanningProblem } from "./problem.ts";
import { countRemoteRows } from "./remote-rows.ts";

/** P(j of a token's k rows are remote), j = 0 … k, when these experts of a layer are remote. [k + 1] */
export type RemoteShares = (layer: number, remote: readonly number[]) => Float64Array;

/** Rows of prefill, in expectation. */
export interface PrefillLoads {
  /** In the main function. */
  readonly local: PrefillLoad;
  /** In each replica. */
  readonly remote: readonly PrefillLoad[];
}

/** What a request asks of its layers. */
export interface LayerCounts {
  readonly remoteShares: RemoteShares;
  /** @param own where some experts are remote */
  prefillLoads(layer: number, own: LayerPlan | undefined): PrefillLoads;
}

/** Counted from a problem's demand. */
export class CountedLayers implements LayerCounts {
  readonly remoteShares: RemoteShares;
  readonly #problem: PlanningProblem;
  /** Of layers without remote experts, which most placements have in common. */
  readonly #whole: PrefillLoads[] = [];

  /** @param remoteShares where the demand's sets do not say them */
  constructor(problem: PlanningProblem, remoteShares: RemoteShares = countedShares(problem)) {
    this.#problem = problem;
    this.remoteShares = remoteShares;
  }

  prefillLoads(layer: number, own: LayerPlan | undefined): PrefillLoads {
    if (own !== undefined) return splitLoads(this.#problem, own);
    this.#whole[layer] ??= { local: this.#wholeLoad(layer), remote: [] };
    return this.#whole[layer];
  }

  #wholeLoad(layer: number): PrefillLoad {
    return loadOfAll([...Array(this.#problem.sizes.experts).keys()], ...rowsOf(this.#problem, layer));
  }
}

function countedShares({ sizes, demand }: PlanningProblem): RemoteShares {
  return (layer, remote) => {
    const sets = demand.sets[layer];
    if (sets === undefined) throw new RangeError(`no sets of layer ${layer}`);
    return countRemoteRows(sets, remote, sizes);
  };
}

/** A layer's row of S̃, and how many rows prefill has of it. */
function rowsOf({ sizes, demand, workload }: PlanningProblem, layer: number): [shares: Float32Array, rows: number] {
  const shares = demand.matrix.subarray(layer * sizes.experts, (layer + 1) * sizes.experts);
  return [shares, workload.promptTokens * sizes.expertsPerToken];
}

function splitLoads(problem: PlanningProblem, own: LayerPlan): PrefillLoads {
  const [shares, rows] = rowsOf(problem, own.layer);
  const isRemote = new Uint8Array(problem.sizes.experts);
  for (const expert of own.remote) isRemote[expert] = 1;
  const local = [...isRemote.keys()].filter((expert) => isRemote[expert] === 0);
  const given = prefillReplicas(own, (expert) => rows * (shares[expert] as number));
  return {
    local: loadOfAll(local, shares, rows),
    remote: given.map((experts) => loadOfAll(experts, shares, rows)),
  };
}

/** Whom prefill asks: experts that several replicas hold go, longest first, to the least loaded of these (LPT). */
function prefillReplicas(own: LayerPlan, rowsOf: (expert: number) => number): LayerPlan["replicas"] {
  if (!hasCopies(own)) return own.replicas;
  const given = own.replicas.map((held) => ({ held, experts: [] as number[], rows: 0 }));
  for (const expert of own.remote.toSorted((a, b) => rowsOf(b) - rowsOf(a))) {
    const holders = given.filter(({ held }) => held.includes(expert));
    const least = holders.reduce((best, each) => (each.rows < best.rows ? each : best));
    least.experts.push(expert);
    least.rows += rowsOf(expert);
  }
  return given.map(({ experts }) => experts);
}

/** Decode asks as few replicas as can be: one that holds nothing but what earlier ones hold is never called. */
export function decodeReplicas(own: LayerPlan): number {
  if (!hasCopies(own)) return own.replicas.length;
  const seen = new Set<number>();
  const called = own.replicas.filter((experts) => {
    const before = seen.size;
    for (const expert of experts) seen.add(expert);
    return seen.size > before;
  });
  return called.length;
}

function hasCopies({ remote, replicas }: LayerPlan): boolean {
  return replicas.reduce((held, { length }) => held + length, 0) > remote.length;
}
