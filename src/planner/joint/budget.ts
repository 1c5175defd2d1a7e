import { mainStart } from "../cold-starts.ts";
import { splitDevices } from "../evaluate.ts";
import { mainNeedMb } from "../memory-needs.ts";
import type { ModelSizes, PlanningProblem } from "../problem.ts";
import { expectedBilledMs } from "../rates.ts";
import type { MainFunction } from "./main-function.ts";
import type { PricedColumn } from "./option-grid.ts";

/**
 * What the layers' choices share when the main function is given. Memory they save, time they take and cost add up; so
 * they depend on each other through three limits only.
 */
export interface Budget {
  /** C^loc without routed experts. */
  readonly baseCost: number;
  /** What nothing beside the main function costs less than. */
  readonly leastCost: number;
  /** What a millisecond of a token's, and of prefill's, experts costs. */
  readonly tokenPrice: number;
  readonly prefillPrice: number;
  /** What a saved MiB of the main function's weights spares when it is started. */
  readonly savedPrice: number;
  /** The least to save, in MiB, and the most that there is room for elsewhere. */
  readonly savedMb: number;
  readonly roomMb: number;
  /** The most that Σ_l GT^e may be. */
  readonly tokenMs: number;
  /** The most that Σ_l PT^e + startShare · starts − savedStartMs · saved may be. */
  readonly ttftMs: number;
  /** The most that Σ_l PT^e and the longest start of an expert function may be together. */
  readonly readyMs: number;
  /** How starts of experts, and a MiB less of the main function, enter T^cold; 0 when warm. */
  readonly startShare: number;
  readonly savedStartMs: number;
  /** How long the main function works beside its experts. */
  readonly baseMs: number;
}

/** Expert functions that the request holds, where that costs something. */
interface Hold {
  /** What a millisecond of all of them costs while they are idle. */
  readonly perMs: number;
  /** Weights that they have room for, in MiB. */
  readonly roomMb: number;
}

/**
 * Sums of rounded numbers may differ in their last digits: what looks feasible must be so for `evaluate` too, and what
 * saves just enough must not look as if it did not.
 */
const SLACK = 1 - 1e-9;

/** @param column of the expert functions, where holding them costs something */
export function budgetOf(problem: PlanningProblem, main: MainFunction, column: PricedColumn | null = null): Budget {
  const { sizes, profile, prices, workload, slo, margin } = problem;
  const expertsMb = sizes.experts * sizes.expertMb.reduce((sum, mb) => sum + mb, 0);
  const neededMb = SLACK * (mainNeedMb(sizes, splitDevices(profile), []) - main.memoryMb);
  // With nothing remote it would not be a split plan.
  const savedMb = Math.max(neededMb, Math.min(...sizes.expertMb));
  const hold = column === null ? FREE : holdOf(sizes, column, savedMb);
  const cold = coldTerms(problem, expertsMb, savedMb);
  const isStartBilled = problem.isCold && prices.coldStart === "billed";
  const start = mainStart(profile, splitDevices(profile));
  const startMs = start.fixedMs + start.perMb * (sizes.nonExpertMb + expertsMb);
  const baseMs = profile.overhead.mainMs + main.prefillMs + workload.outputTokens * main.tokenMs;
  const billedMs = (ms: number): number => expectedBilledMs(ms, prices.rounding);
  const most = (limitMs: number | null, factor: number): number =>
    limitMs === null ? Number.POSITIVE_INFINITY : (SLACK * limitMs) / factor;
  const readyMs = most(slo.ttftMs, margin.split.ttft) - profile.overhead.gatewayMs - main.prefillMs;
  const baseCost =
    (billedMs(baseMs) + (isStartBilled ? billedMs(startMs) : 0)) * main.rate.perMs +
    main.rate.perCall +
    hold.perMs * baseMs;
  const savedPrice = isStartBilled ? start.perMb * main.rate.perMs : 0;
  return {
    baseCost,
    leastCost: baseCost - savedPrice * expertsMb,
    tokenPrice: workload.outputTokens * (main.rate.perMs + hold.perMs),
    prefillPrice: main.rate.perMs + hold.perMs,
    savedPrice,
    savedMb,
    roomMb: hold.roomMb,
    tokenMs: most(workload.outputTokens === 0 ? null : slo.tpotMs, margin.split.tpot) - main.tokenMs,
    ttftMs: readyMs - cold.unsavedMs,
    readyMs,
    startShare: cold.startShare,
    savedStartMs: cold.savedStartMs,
    baseMs,
  };
}

const FREE: Hold = { perMs: 0, roomMb: Number.POSITIVE_INFINITY };

/**
 * As few functions as have room for so much. Where it takes several, each has room left in which no further layer fits:
 * half of one, on average.
 */
function holdOf(
  { layers, expertsBaseMb }: ModelSizes,
  { memoryMb, replicas, rate }: PricedColumn,
  savedMb: number,
): Hold {
  const mostMb = replicas * (memoryMb - expertsBaseMb);
  const isOne = savedMb <= mostMb;
  const eachMb = isOne ? mostMb : Math.max(mostMb / 2, mostMb - savedMb / layers / 2);
  const functions = Math.ceil(savedMb / eachMb);
  return { perMs: functions * replicas * rate.idlePerMs, roomMb: functions * eachMb };
}

/** The most weights that so many functions have room for, as `holdOf` reckons, in MiB. */
export function roomOf(
  { layers, expertsBaseMb }: ModelSizes,
  { memoryMb, replicas }: PricedColumn,
  functions: number,
): number {
  const mostMb = replicas * (memoryMb - expertsBaseMb);
  return functions === 1 ? mostMb : functions * Math.max(mostMb / 2, mostMb / (1 + functions / layers / 2));
}

/**
 * T^cold is at least the main function's start, and at least all starts together over how many run at full speed. Takes
 * the greater of the two.
 */
function coldTerms({ isCold, profile, sizes }: PlanningProblem, expertsMb: number, savedMb: number) {
  if (!isCold) return { startShare: 0, savedStartMs: 0, unsavedMs: 0 };
  const { experts, parallel } = profile.coldStart;
  const main = mainStart(profile, splitDevices(profile));
  const unsavedMs = main.fixedMs + main.perMb * (sizes.nonExpertMb + expertsMb);
  const mainMs = unsavedMs - main.perMb * savedMb;
  const expertsMs = sizes.layers * experts.fixedMs + experts.perMb * savedMb;
  if (parallel === null || (mainMs + expertsMs) / parallel < mainMs) {
    return { startShare: 0, savedStartMs: main.perMb, unsavedMs };
  }
  return { startShare: 1 / parallel, savedStartMs: main.perMb / parallel, unsavedMs: unsavedMs / parallel };
}
