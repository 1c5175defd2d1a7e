import { median, quantile } from "../src/core/stats.ts";
import type { CostProfile } from "../src/planner/cost-profile.ts";
import type { Evaluation } from "../src/planner/evaluation.ts";
import type { Plan } from "../src/planner/plan.ts";
import type { PlanningProblem, Slo, Workload } from "../src/planner/problem.ts";

/** A request as one method served it. Times in milliseconds. */
export interface CostOutcome {
  /** Without what functions cost while they wait for the next request. */
  readonly cost: number;
  /** `null` without a token. */
  readonly ttftMs: number | null;
  /** `null` with fewer than two tokens. */
  readonly tpotMs: number | null;
  /** Whether its planner expected the objectives to hold. */
  readonly isFeasible: boolean;
  /** Whether they did. */
  readonly isMet: boolean;
  /** Memory of the main function, in MiB. */
  readonly mainMb: number;
  /** Over all layers. */
  readonly remoteExperts: number;
}

/** What an outcome says of its plan. */
export function sizeOf({ specMain, layers }: Plan): Pick<CostOutcome, "mainMb" | "remoteExperts"> {
  const remoteExperts = layers.reduce((sum, { remote }) => sum + remote.length, 0);
  return { mainMb: specMain.memoryMb, remoteExperts };
}

/** What a method costs a request. */
export interface MethodCost {
  readonly mean: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly max: number;
  /** Medians. */
  readonly ttftMs: number;
  readonly tpotMs: number;
  readonly mainMb: number;
  readonly remoteExperts: number;
  /** Shares of requests whose objectives were expected to hold, and did. */
  readonly feasible: number;
  readonly met: number;
  /** Of those that were expected to; `null` if none was. */
  readonly metWhenFeasible: number | null;
}

/** By method; `null`: the hardware it needs is not there, or nothing fits. */
export type MethodCosts = Readonly<Record<string, MethodCost | null>>;

/** @param outcomes at least one */
export function summariseCosts(outcomes: readonly CostOutcome[]): MethodCost {
  const costs = outcomes.map(({ cost }) => cost);
  const feasible = outcomes.filter(({ isFeasible }) => isFeasible);
  return {
    mean: mean(costs),
    p25: quantile(costs, 0.25),
    p50: median(costs),
    p75: quantile(costs, 0.75),
    max: Math.max(...costs),
    ttftMs: median(known(outcomes.map(({ ttftMs }) => ttftMs))),
    tpotMs: median(known(outcomes.map(({ tpotMs }) => tpotMs))),
    mainMb: median(outcomes.map(({ mainMb }) => mainMb)),
    remoteExperts: median(outcomes.map(({ remoteExperts }) => remoteExperts)),
    feasible: feasible.length / outcomes.length,
    met: shareMet(outcomes),
    metWhenFeasible: feasible.length === 0 ? null : shareMet(feasible),
  };
}

/** Where a comparison holds. Measured and modelled numbers are never in the same one. */
export interface ComparisonContext {
  readonly kind: CostProfile["kind"];
  /** The profile's. */
  readonly machine: string;
  readonly model: string;
  readonly priceBook: string;
  readonly currency: string;
  readonly objectives: Slo;
}

export function contextOf({ profile, prices, slo }: Omit<PlanningProblem, "demand">): ComparisonContext {
  const { kind, machine, model } = profile;
  return { kind, machine, model, priceBook: prices.name, currency: prices.currency, objectives: slo };
}

/** Methods against Remoe, all on the same requests. */
export interface CostComparison extends ComparisonContext, Savings {
  readonly requests: number;
  /** Tokens of a request, in the middle. */
  readonly workload: Workload;
  readonly methods: MethodCosts;
}

export interface Savings {
  /** 1 − Remoe's mean / a method's, by method. */
  readonly savings: Readonly<Record<string, number>>;
  /** Over the cheapest and the dearest of the other methods that mostly keep objectives; `null` if none does. */
  readonly savingVsBest: number | null;
  readonly savingVsWorst: number | null;
}

/** Share of requests from which on a method counts as one that keeps objectives. */
const MOSTLY = 0.95;

export function compareCosts(methods: MethodCosts): Savings {
  const { remoe, ...all } = methods;
  const others = Object.entries(all).flatMap(([name, cost]) => (cost === null ? [] : [{ name, ...cost }]));
  if (remoe === undefined || remoe === null) return { savings: {}, savingVsBest: null, savingVsWorst: null };
  const saving = (other: number): number => 1 - remoe.mean / other;
  const rivals = others.filter(({ feasible }) => feasible >= MOSTLY).map((other) => other.mean);
  return {
    savings: Object.fromEntries(others.map((other) => [other.name, saving(other.mean)])),
    savingVsBest: rivals.length === 0 ? null : saving(Math.min(...rivals)),
    savingVsWorst: rivals.length === 0 ? null : saving(Math.max(...rivals)),
  };
}

/** A real request and what was expected of it. */
export interface PredictedOutcome extends CostOutcome {
  /** Whether functions were started for it. */
  readonly isCold: boolean;
  readonly predicted: Pick<Evaluation, "cost" | "ttftMs" | "tpotMs">;
  /** What would have been predicted with the length that the answer had in the end. */
  readonly costOfLength: number;
  /** Prediction and planning, which come before the first token. */
  readonly calculateMs: number;
}

/** |predicted − measured| / measured */
export interface PredictionError {
  readonly mean: number;
  readonly median: number;
}

/** `null` where nothing was measured. */
export interface PredictionErrors {
  readonly requests: number;
  readonly cost: PredictionError | null;
  readonly costOfLength: PredictionError | null;
  readonly ttft: PredictionError | null;
  readonly tpot: PredictionError | null;
}

/** Apart, since a start lasts longer than many a request; `null` where there were none. */
export interface ErrorsByStart {
  readonly warm: PredictionErrors | null;
  readonly cold: PredictionErrors | null;
}

export function predictionErrors(outcomes: readonly PredictedOutcome[]): ErrorsByStart {
  return {
    warm: errorsOf(outcomes.filter(({ isCold }) => !isCold)),
    cold: errorsOf(outcomes.filter(({ isCold }) => isCold)),
  };
}

function errorsOf(outcomes: readonly PredictedOutcome[]): PredictionErrors | null {
  if (outcomes.length === 0) return null;
  return {
    requests: outcomes.length,
    cost: errorOf(outcomes.map(({ predicted, cost }) => [predicted.cost, cost])),
    costOfLength: errorOf(outcomes.map(({ costOfLength, cost }) => [costOfLength, cost])),
    ttft: errorOf(outcomes.map(({ predicted, ttftMs }) => [predicted.ttftMs, ttftMs])),
    tpot: errorOf(outcomes.map(({ predicted, tpotMs }) => [predicted.tpotMs, tpotMs])),
  };
}

function errorOf(pairs: readonly (readonly [predicted: number, measured: number | null])[]): PredictionError | null {
  const errors = pairs.flatMap(([predicted, measured]) =>
    measured === null ? [] : [Math.abs(predicted - measured) / measured],
  );
  return errors.length === 0 ? null : { mean: mean(errors), median: median(errors) };
}

/** How far the same request, served again and again, is off its own median: what the machine adds to errors of predictions. */
export type Repeatability = Pick<PredictionErrors, "requests" | "cost" | "ttft" | "tpot">;

/** @param outcomes of the same prompt with the same plan; at least one */
export function repeatabilityOf(outcomes: readonly CostOutcome[]): Repeatability {
  const offMedian = (values: readonly (number | null)[]): PredictionError | null => {
    const middle = median(known(values));
    return errorOf(values.map((value) => [middle, value]));
  };
  return {
    requests: outcomes.length,
    cost: offMedian(outcomes.map(({ cost }) => cost)),
    ttft: offMedian(outcomes.map(({ ttftMs }) => ttftMs)),
    tpot: offMedian(outcomes.map(({ tpotMs }) => tpotMs)),
  };
}

function shareMet(outcomes: readonly CostOutcome[]): number {
  return outcomes.filter(({ isMet }) => isMet).length / outcomes.length;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function known(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}
