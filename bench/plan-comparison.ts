import { BASELINES } from "../src/planner/baselines/baselines.ts";
import type { Decision } from "../src/planner/evaluation.ts";
import { paper } from "../src/planner/paper-planner.ts";
import { type Planner, planNow } from "../src/planner/planner.ts";
import type { PlanningProblem, Slo } from "../src/planner/problem.ts";
import { remoe } from "../src/planner/remoe-planner.ts";
import { type Clocks, timePlan } from "./plan-timing.ts";

/** What a planner made of some requests. */
export interface PlannerResult {
  readonly planner: string;
  /** Requests it found a plan for that meets the objectives. */
  readonly feasible: number;
  /** Mean of those, in the price book's currency; `null` without any. */
  readonly cost: number | null;
  /** Least and greatest cost of Remoe's plans divided by these, where both are feasible; `null` where none are. */
  readonly remoeOver: { readonly least: number; readonly greatest: number } | null;
  /** Requests it has a plan for and Remoe has not. */
  readonly unmatched: number;
}

export interface Comparison {
  readonly requests: number;
  readonly slo: Slo;
  /** Of each request. */
  readonly planTimesMs: readonly number[];
  readonly processorTimesMs: readonly number[];
  readonly longestStepMs: number;
  /** Remoe's first, then the paper's, then baselines. */
  readonly planners: readonly PlannerResult[];
  /** Share of requests whose plan has remote experts: elsewhere splitting does not pay. */
  readonly split: number;
  /** Share of all experts that are remote, on average. */
  readonly remoteShare: number;
}

/**
 * Plans the same requests with every planner.
 * @param problems with equal objectives; at least one
 */
export function comparePlanners(problems: readonly PlanningProblem[], clocks: Clocks): Comparison {
  const timed = problems.map((problem) => timePlan(remoe, problem, clocks));
  const own = timed.map(({ decision }) => decision);
  const others = [paper, ...BASELINES.values()].map((planner) => toResult(planner, own, decide(planner, problems)));
  const shares = problems.map((problem, i) => remoteShare(problem, own[i] ?? null));
  return {
    requests: problems.length,
    slo: (problems[0] as PlanningProblem).slo,
    planTimesMs: timed.map(({ ms }) => ms),
    processorTimesMs: timed.map(({ processorMs }) => processorMs),
    longestStepMs: Math.max(...timed.map((each) => each.longestStepMs)),
    planners: [toResult(remoe, own, own), ...others],
    split: shares.filter((share) => share > 0).length / problems.length,
    remoteShare: mean(shares),
  };
}

type Decisions = readonly (Decision | null)[];

function decide(planner: Planner, problems: readonly PlanningProblem[]): Decisions {
  return problems.map((problem) => planNow(planner, problem));
}

function toResult({ name }: Planner, own: Decisions, theirs: Decisions): PlannerResult {
  const costs = theirs.map(feasibleCost);
  const ownCosts = own.map(feasibleCost);
  const feasible = costs.filter((cost) => cost !== null);
  const ratios = costs.flatMap((cost, i) => {
    const ownCost = ownCosts[i] ?? null;
    return cost === null || ownCost === null ? [] : [ownCost / cost];
  });
  return {
    planner: name,
    feasible: feasible.length,
    cost: feasible.length === 0 ? null : mean(feasible),
    remoeOver: ratios.length === 0 ? null : { least: Math.min(...ratios), greatest: Math.max(...ratios) },
    unmatched: feasible.length - ratios.length,
  };
}

function feasibleCost(decision: Decision | null): number | null {
  return decision?.feasible === true ? decision.evaluation.cost : null;
}

function remoteShare({ sizes }: PlanningProblem, decision: Decision | null): number {
  const layers = decision?.placement.plan.layers ?? [];
  return layers.reduce((sum, { remote }) => sum + remote.length, 0) / (sizes.layers * sizes.experts);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
