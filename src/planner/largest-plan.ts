import { expertSpeed, loadOf, prefillBusyMs } from "./layer-time.ts";
import type { LoadBound } from "./load-bound.ts";
import type { ExpertSelection, LayerPlan, Plan } from "./plan.ts";
import type { PlanningProblem } from "./problem.ts";
import { mostOfReplica, splitReplicas } from "./replicas.ts";
import { toVcpus } from "./specs.ts";

export interface LargestPlanOptions {
  readonly mainMb: number;
  readonly selection: ExpertSelection;
  /** Tells how many rows a payload has to carry. */
  readonly bound: LoadBound;
}

/**
 * The fastest plan with these remote experts and as few replicas as payloads allow: each function has the largest size.
 */
export function largestPlan(problem: PlanningProblem, { mainMb, selection, bound }: LargestPlanOptions): Plan {
  const memoryMb = Math.max(...problem.specs.experts);
  const layers = selection.flatMap((remote, layer): LayerPlan[] => {
    if (remote.length === 0) return [];
    const bare = { layer, remote, function: `experts-${layer}`, memoryMb, replicas: [remote] };
    return [withReplicas(problem, bare, payloadReplicas(problem, bound, bare))];
  });
  return { specMain: { memoryMb: mainMb }, layers };
}

/**
 * Splits a layer's remote experts over z replicas by what prefill is expected to take them: τ^c(N^pre) + 2 N^pre D/B.
 */
export function withReplicas({ sizes, profile, demand, workload }: PlanningProblem, layer: LayerPlan, z: number) {
  const speed = expertSpeed(profile.remote, toVcpus(layer.memoryMb));
  const rows = workload.promptTokens * sizes.expertsPerToken;
  const experts = layer.remote.map((expert) => {
    const load = loadOf(demand.matrix[layer.layer * sizes.experts + expert] as number, rows);
    return { expert, load: prefillBusyMs(load, speed) + 2 * load.rows * profile.wire.perHiddenStateMs };
  });
  return { ...layer, replicas: splitReplicas(experts, z) };
}

/** The fewest replicas with which each batch of the prompt fits into one payload; the most there may be if none do. */
function payloadReplicas(
  { profile, workload, specs }: PlanningProblem,
  bound: LoadBound,
  { layer, remote }: LayerPlan,
): number {
  const { batchTokens, payloadHiddenStates } = profile.wire;
  const asked = { layer, remote: remote.length, tokens: workload.promptTokens };
  const [total, mostOfOne] = [bound.rows(asked), bound.mostOfOne(asked)];
  const room = Math.ceil(workload.promptTokens / batchTokens) * (payloadHiddenStates ?? Number.POSITIVE_INFINITY);
  for (let z = 1; z < specs.maxReplicas; z++) {
    const rows = mostOfReplica(total, mostOfOne, z);
    if (Math.min(workload.promptTokens, rows) + rows <= room) return z;
  }
  return specs.maxReplicas;
}
