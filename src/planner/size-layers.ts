import { isRemoeError } from "../core/errors.ts";
import { evaluateLayer } from "./evaluate-layer.ts";
import { fitExponential } from "./exponential-fit.ts";
import type { DualLayer, DualProblem, ExponentialTime } from "./memory-dual.ts";
import { expertsNeedMb } from "./memory-needs.ts";
import { type SizeOption, sizeMemory } from "./memory-sizing.ts";
import type { LayerPlan, Plan } from "./plan.ts";
import type { PlanningProblem } from "./problem.ts";
import { rateOf } from "./rates.ts";
import { countRemoteRows } from "./remote-rows.ts";
import { toVcpus } from "./specs.ts";
import { timeAt } from "./speed-curve.ts";

/**
 * Gives every layer's function the memory that {@link sizeMemory} finds for it within the time per output token. Each
 * holds all remote experts of its layer.
 * @param gpuMemoryMb M^g of the main function
 */
export function* sizeLayers(problem: PlanningProblem, plan: Plan, gpuMemoryMb: number): Generator<void, Plan, void> {
  const { profile, slo, margin } = problem;
  const tokenMs = timeAt(profile.split.decodeToken, toVcpus(plan.specMain.memoryMb));
  const limitMs = slo.tpotMs === null ? Number.POSITIVE_INFINITY : slo.tpotMs / margin.split.tpot;
  const swapMs = profile.swap.fixedMs + profile.swap.perHiddenStateMs;
  const judged: SizeOption[][] = [];
  for (const layer of plan.layers) {
    judged.push(options(problem, plan, layer));
    yield;
  }
  const memory = sizeMemory({
    dual: toDual(problem, plan, { gpuMemoryMb, budgetMs: limitMs - tokenMs - 2 * problem.sizes.layers * swapMs }),
    options: judged,
    // Each layer's evaluation has the rest of a token's time in it.
    budgetMs: limitMs + (plan.layers.length - 1) * tokenMs,
  });
  const layers = plan.layers.map((layer, i): LayerPlan => ({ ...layer, memoryMb: memory[i] as number }));
  return { ...plan, layers };
}

function sizesOf({ sizes, specs }: PlanningProblem, { layer, remote }: LayerPlan): number[] {
  return specs.experts.filter((spec) => spec >= expertsNeedMb(sizes, layer, remote.length));
}

function options(problem: PlanningProblem, { specMain }: Plan, layer: LayerPlan): SizeOption[] {
  return sizesOf(problem, layer).map((memoryMb) => {
    const { tpotMs, cost } = evaluateLayer(problem, specMain, { ...layer, memoryMb });
    return { memoryMb, ms: tpotMs, cost };
  });
}

interface DualBasis {
  readonly gpuMemoryMb: number;
  readonly budgetMs: number;
}

function toDual(problem: PlanningProblem, plan: Plan, { gpuMemoryMb, budgetMs }: DualBasis): DualProblem | null {
  const time = fitTime(problem);
  if (time === null) return null;
  const { prices } = problem;
  return {
    time,
    layers: plan.layers.map((layer) => toDualLayer(problem, layer)),
    mainRate: rateOf({ memoryMb: plan.specMain.memoryMb, gpuMemoryMb }, prices).perMs,
    memoryRate: rateOf({ memoryMb: 1024, gpuMemoryMb: 0 }, prices).perMs,
    budgetMs,
  };
}

/** T̃(y): all k rows of a token. `null` where no exponential is near, e.g. with too few sizes. */
function fitTime({ profile, sizes, specs }: PlanningProblem): ExponentialTime | null {
  const { decodeLayer, decodeRow } = profile.remote;
  const points = specs.experts.map((spec) => {
    const vcpus = toVcpus(spec);
    return { memory: spec / 1024, ms: timeAt(decodeLayer, vcpus) + sizes.expertsPerToken * timeAt(decodeRow, vcpus) };
  });
  try {
    return fitExponential("decode of remote experts", points);
  } catch (error) {
    if (isRemoeError(error) && error.code === "PROFILE_FIT_FAILED") return null;
    throw error;
  }
}

function toDualLayer(problem: PlanningProblem, layer: LayerPlan): DualLayer {
  const { sizes, demand, profile } = problem;
  const sets = demand.sets[layer.layer];
  if (sets === undefined) throw new RangeError(`no sets of layer ${layer.layer}`);
  const shares = countRemoteRows(sets, layer.remote, sizes);
  const rows = shares.reduce((sum, share, j) => sum + j * share, 0);
  const anyRemote = 1 - (shares[0] as number);
  const { callMs, perHiddenStateMs } = profile.wire;
  const fitting = sizesOf(problem, layer);
  return {
    share: rows / sizes.expertsPerToken,
    callMs: anyRemote * callMs + (anyRemote + rows) * perHiddenStateMs,
    leastGb: (fitting[0] as number) / 1024,
    mostGb: (fitting.at(-1) as number) / 1024,
  };
}
