import type { PriceBook } from "../ledger/price-book.ts";
import type { Start } from "./cold-starts.ts";
import type { CostParts } from "./evaluation.ts";
import type { LayerTime } from "./layer-time.ts";
import type { LayerPlan } from "./plan.ts";
import type { PlanningProblem } from "./problem.ts";
import { expectedBilledMs, type Rate, rateOf } from "./rates.ts";

/** What a layer's experts take; `plan` where some of them are remote. */
export interface TimedLayer {
  readonly plan: LayerPlan | undefined;
  readonly prefill: LayerTime;
  /** Of one token. */
  readonly decode: LayerTime;
}

/** What a placement's functions do in a request. */
export interface Costed {
  readonly problem: PlanningProblem;
  /** Of the main function. */
  readonly memoryMb: number;
  readonly gpuMemoryMb: number;
  /** All layers with experts. */
  readonly layers: readonly TimedLayer[];
  /** Of all instances, the main function's first; none when warm. */
  readonly starts: readonly Start[];
  readonly coldStartMs: number;
  /** PT + GT and the main function's overhead: for so long the request holds its functions. */
  readonly workMs: number;
}

/** What it costs, part by part. */
export function costParts(costed: Costed): CostParts {
  const { problem, memoryMb, gpuMemoryMb, layers, workMs } = costed;
  const { prices, workload } = problem;
  const main = rateOf({ memoryMb, gpuMemoryMb }, prices);
  const remoteCost = (of: (layer: TimedLayer) => LayerTime): number =>
    sum(layers, (layer) => {
      if (layer.plan === undefined) return 0;
      const rate = expertsRate(layer.plan, prices);
      return of(layer).billedMs * rate.perMs + of(layer).calls * rate.perCall;
    });
  const starts = startCosts(costed);
  return {
    main: expectedBilledMs(workMs, prices.rounding) * main.perMs + main.perCall,
    remotePrefill: remoteCost(({ prefill }) => prefill),
    remoteDecode: workload.outputTokens * remoteCost(({ decode }) => decode),
    coldStart: starts.busy,
    keepAlive: starts.idle + idleCost(costed),
  };
}

/** Of starting, and of waiting for the slowest start. */
function startCosts({ problem, starts, coldStartMs, gpuMemoryMb }: Costed): {
  readonly busy: number;
  readonly idle: number;
} {
  const { prices } = problem;
  const isBilled = prices.coldStart === "billed";
  let [busy, idle] = [0, 0];
  for (const [index, { memoryMb, ms }] of starts.entries()) {
    const rate = rateOf({ memoryMb, gpuMemoryMb: index === 0 ? gpuMemoryMb : 0 }, prices);
    if (isBilled) busy += expectedBilledMs(ms, prices.rounding) * rate.perMs;
    idle += (coldStartMs - ms) * rate.idlePerMs;
  }
  return { busy, idle };
}

/** Of expert functions between their calls: as on a bill, a function's instances together. */
function idleCost({ problem, layers, workMs }: Costed): number {
  const functions = new Map<string, { readonly perMs: number; instances: number; billedMs: number }>();
  for (const { plan, prefill, decode } of layers) {
    if (plan === undefined) continue;
    const perMs = expertsRate(plan, problem.prices).idlePerMs;
    const own = functions.get(plan.function) ?? { perMs, instances: 0, billedMs: 0 };
    own.instances = Math.max(own.instances, plan.replicas.length);
    own.billedMs += prefill.billedMs + problem.workload.outputTokens * decode.billedMs;
    functions.set(plan.function, own);
  }
  return sum([...functions.values()], ({ perMs, instances, billedMs }) => {
    return Math.max(0, instances * workMs - billedMs) * perMs;
  });
}

function expertsRate({ memoryMb }: LayerPlan, prices: PriceBook): Rate {
  return rateOf({ memoryMb, gpuMemoryMb: 0 }, prices);
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}
