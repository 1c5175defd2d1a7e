import { chooseCheapest } from "../planner/choose-cheapest.ts";
import { evaluate, splitDevices } from "../planner/evaluate.ts";
import type { Decision, Evaluation, Placement } from "../planner/evaluation.ts";
import type { Plan } from "../planner/plan.ts";
import { kindOf } from "../planner/plan-kind.ts";
import type { PlanningProblem } from "../planner/problem.ts";
import type { PlanCandidate, PlanReasons, PlanSource, Predicted } from "./plan-choice.ts";

/** A plan that a request may run with. */
export interface Candidate {
  readonly source: PlanSource;
  /** Whether its functions are running, or taken to be. */
  readonly isWarm: boolean;
  readonly placement: Placement;
  readonly evaluation: Evaluation;
  /** What 95 of 100 such requests cost at most. */
  readonly mostCost: number;
}

export function toCandidate(
  problem: PlanningProblem,
  plan: Plan,
  { source, isWarm }: Pick<Candidate, "source" | "isWarm">,
): Candidate {
  const placement: Placement = { plan, devices: splitDevices(problem.profile) };
  const evaluation = evaluate({ ...problem, isCold: !isWarm }, placement);
  // A cost is a sum of times, none of which takes longer by more than the greater margin.
  const { ttft, tpot } = problem.margin[kindOf(plan)];
  return { source, isWarm, placement, evaluation, mostCost: evaluation.cost * Math.max(ttft, tpot) };
}

export function isFeasible({ evaluation }: Candidate): boolean {
  return evaluation.violations.length === 0;
}

/**
 * The cheapest candidate within the objectives; but the one that served last, if it runs and is within them too, as long
 * as another's gain is not certain: predictions change a little with each request, plans should not.
 * @param last the plan that served last
 */
export function chooseSteadily(candidates: readonly Candidate[], last: Plan | null): Candidate {
  const cheapest = chooseCheapest(candidates);
  const staying = candidates.find(({ placement }) => placement.plan === last);
  if (staying === undefined || !staying.isWarm || !isFeasible(staying)) return cheapest;
  return cheapest.mostCost < staying.evaluation.cost ? cheapest : staying;
}

export function toDecision(candidate: Candidate): Decision {
  const { placement, evaluation } = candidate;
  return { placement, evaluation, feasible: isFeasible(candidate) };
}

export function toReasons(chosen: Candidate, candidates: readonly Candidate[]): PlanReasons {
  return {
    source: chosen.source,
    predicted: toPredicted(chosen.evaluation),
    feasible: isFeasible(chosen),
    violations: chosen.evaluation.violations,
    candidates: candidates.map((candidate): PlanCandidate => {
      const { source, isWarm, placement, evaluation } = candidate;
      const { specMain, layers } = placement.plan;
      const remoteExperts = layers.reduce((sum, { remote }) => sum + remote.length, 0);
      const feasible = isFeasible(candidate);
      return { source, isWarm, mainMb: specMain.memoryMb, remoteExperts, feasible, ...toPredicted(evaluation) };
    }),
  };
}

function toPredicted({ ttftMs, tpotMs, prefillMs, coldStartMs, cost }: Evaluation): Predicted {
  return { ttftMs, tpotMs, prefillMs, coldStartMs, cost };
}
