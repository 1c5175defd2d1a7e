import type { CostProfile } from "./cost-profile.ts";
import { evaluate } from "./evaluate.ts";
import type { Evaluation, Placement, Violation } from "./evaluation.ts";
import { CountedLayers } from "./layer-counts.ts";
import type { LoadBound } from "./load-bound.ts";
import type { LayerPlan, Plan } from "./plan.ts";
import type { ModelSizes, PlanningProblem } from "./problem.ts";
import { mostOfReplica } from "./replicas.ts";
import { correctExperts } from "./time-correction.ts";

/** What a placement takes at worst, in milliseconds, without margin. */
export interface WorstCase {
  readonly ttftMs: number;
  readonly tpotMs: number;
  /** Objectives that margin × worst case misses. */
  readonly violations: readonly Violation[];
}

/** Rows of a token that are remote in a layer, on average over its tokens. */
interface RemoteLoad {
  readonly prefill: number;
  /** N^up: those of the remote expert with most. */
  readonly prefillMostOfOne: number;
  readonly decode: number;
}

type LoadOfLayer = (layer: LayerPlan) => RemoteLoad;

/**
 * A placement's worst case, whichever experts they are: at one extreme remote experts get as many rows as the bound
 * says, at the other as few as can be. A layer ends with the slower of remote and local ones, whose times rise and fall
 * with the remote rows, so that it is slowest at one of the two.
 */
export function worstCase(problem: PlanningProblem, bound: LoadBound, placement: Placement): WorstCase {
  const apart = { ...problem, profile: withoutContention(problem.profile) };
  const extremes = [mostRemote(problem, bound), leastRemote(problem.sizes)].map((load) => at(load, apart, placement));
  const worst = (of: (each: Evaluation) => number): number => Math.max(...extremes.map(of));
  const violations = (["ttft", "tpot"] as const).flatMap((objective) =>
    extremes
      .flatMap((each) => each.violations.filter((violation) => violation.objective === objective))
      .sort((a, b) => b.expectedMs - a.expectedMs)
      .slice(0, 1),
  );
  return { ttftMs: worst(({ ttftMs }) => ttftMs), tpotMs: worst(({ tpotMs }) => tpotMs), violations };
}

/** Never faster: what local and remote experts delay each other by, κ min, is at most κ max. */
function withoutContention(profile: CostProfile): CostProfile {
  const { split, remote, wire, contention } = profile;
  const factors = { prefill: 1 + contention.prefill, decode: 1 + contention.decode };
  const most = Math.max(factors.prefill, factors.decode);
  return {
    ...profile,
    split: { ...split, experts: correctExperts(split.experts, factors) },
    remote: correctExperts(remote, factors),
    wire: { ...wire, callMs: most * wire.callMs, perHiddenStateMs: most * wire.perHiddenStateMs },
    contention: { prefill: 0, decode: 0 },
  };
}

function mostRemote({ workload }: PlanningProblem, bound: LoadBound): LoadOfLayer {
  const { promptTokens, outputTokens } = workload;
  const perToken = (rows: number, tokens: number): number => (tokens === 0 ? 0 : rows / tokens);
  return ({ layer, remote }) => {
    const prefill = { layer, remote: remote.length, tokens: promptTokens };
    const decode = { ...prefill, tokens: outputTokens };
    return {
      prefill: perToken(bound.rows(prefill), promptTokens),
      prefillMostOfOne: perToken(bound.mostOfOne(prefill), promptTokens),
      decode: perToken(bound.rows(decode), outputTokens),
    };
  };
}

/** A token gives local experts one row each at most; the others are remote. */
function leastRemote({ experts, expertsPerToken }: ModelSizes): LoadOfLayer {
  return ({ remote }) => {
    const rows = Math.max(0, expertsPerToken - (experts - remote.length));
    return { prefill: rows, prefillMostOfOne: 0, decode: rows };
  };
}

function at(load: LoadOfLayer, problem: PlanningProblem, placement: Placement): Evaluation {
  const loads = new Map(placement.plan.layers.map((layer) => [layer.layer, load(layer)]));
  const { expertsPerToken: k } = problem.sizes;
  const demand = { matrix: toMatrix(problem.sizes, placement.plan, load), sets: [] };
  const worst = { ...problem, demand };
  return evaluate(
    worst,
    placement,
    new CountedLayers(worst, (layer) => closestToMean(loads.get(layer)?.decode ?? 0, k)),
  );
}

/** P(j remote rows) with this mean and as equal as whole rows allow: so spread, most tokens have any. [k + 1] */
function closestToMean(mean: number, k: number): Float64Array {
  const shares = new Float64Array(k + 1);
  const below = Math.min(k, Math.floor(mean));
  shares[below] = 1 - (mean - below);
  if (below < k) shares[below + 1] = mean - below;
  return shares;
}

/** Rows spread evenly over the experts of a replica, and over the local ones: so spread, most experts have any. */
function toMatrix({ layers, experts, expertsPerToken: k }: ModelSizes, plan: Plan, load: LoadOfLayer): Float32Array {
  const matrix = new Float32Array(layers * experts).fill(1 / experts);
  for (const own of plan.layers) {
    const rows = load(own);
    const row = matrix.subarray(own.layer * experts, (own.layer + 1) * experts);
    row.fill((1 - rows.prefill / k) / (experts - own.remote.length));
    for (const [held, share] of replicaShares(own, rows)) {
      for (const expert of held) row[expert] = share / held.length / k;
    }
  }
  return matrix;
}

/** The replica with most experts has as much as one can have (Theorem 4), the others share what is left. */
function replicaShares({ replicas }: LayerPlan, { prefill, prefillMostOfOne }: RemoteLoad) {
  const z = replicas.length;
  const most = mostOfReplica(prefill, prefillMostOfOne, z);
  const [largest, ...others] = replicas.toSorted((a, b) => b.length - a.length);
  const rest = others.map((held) => [held, (prefill - most) / (z - 1)] as const);
  return largest === undefined ? [] : [[largest, most] as const, ...rest];
}
