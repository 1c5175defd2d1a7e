import type { Decision, Violation } from "./evaluation.ts";
import { mainNeedMb } from "./memory-needs.ts";
import type { Plan } from "./plan.ts";
import { kindOf } from "./plan-kind.ts";
import { type Planner, planNow } from "./planner.ts";
import type { ModelSizes, PlanningProblem, Slo } from "./problem.ts";
import { worstViolation } from "./violation.ts";

/** Why a plan is as it is: what would be otherwise, and what stands against it. */
export interface Explanation {
  /** The objective without which there would be a cheaper plan; `null` where objectives cost nothing. */
  readonly binding: Violation["objective"] | null;
  readonly objectives: readonly ObjectiveReport[];
  readonly memory: MemoryReport;
  /** The next plans to either side, as far as there are any. */
  readonly alternatives: readonly Alternative[];
}

export interface ObjectiveReport {
  readonly objective: Violation["objective"];
  readonly limitMs: number;
  readonly predictedMs: number;
  /** What predictions are multiplied with before they are held against the limit. */
  readonly margin: number;
}

/** What the main function's memory is for, in MiB. */
export interface MemoryReport {
  readonly specMb: number;
  readonly neededMb: number;
  readonly localExpertsMb: number;
  readonly restMb: number;
  /** Whether it is more than the next smaller spec for its processors, not for its weights. */
  readonly isForSpeed: boolean;
}

export interface Alternative {
  /** `cheapest`: without objectives; `smaller`, `larger`: a main function of less or more memory; `unsplit`: no remote expert. */
  readonly name: "cheapest" | "smaller" | "larger" | "unsplit";
  readonly mainMb: number;
  readonly remoteExperts: number;
  readonly cost: number;
  readonly violations: readonly Violation[];
}

/** Plans again, with one thing changed at a time: takes as long as several plans. */
export function explain(problem: PlanningProblem, decision: Decision, planner: Planner): Explanation {
  return {
    binding: bindingObjective(problem, decision, planner),
    objectives: objectives(problem, decision),
    memory: memoryReport(problem, decision),
    alternatives: alternatives(problem, decision, planner),
  };
}

/** Costs this much less without an objective: it binds. */
const NOTICEABLE = 1e-3;

function bindingObjective(problem: PlanningProblem, decision: Decision, planner: Planner): Explanation["binding"] {
  const worst = worstViolation(decision.evaluation.violations);
  if (worst !== null) return worst.objective;
  const savings = (["ttft", "tpot"] as const)
    .filter((objective) => problem.slo[`${objective}Ms`] !== null)
    .map((objective) => {
      const freed = planNow(planner, { ...problem, slo: without(problem.slo, objective) });
      return { objective, saved: 1 - (freed?.evaluation.cost ?? 0) / decision.evaluation.cost };
    });
  const most = savings.toSorted((a, b) => b.saved - a.saved)[0];
  return most !== undefined && most.saved > NOTICEABLE ? most.objective : null;
}

function without(slo: Slo, objective: Violation["objective"]): Slo {
  return { ...slo, [`${objective}Ms`]: null };
}

function objectives(problem: PlanningProblem, { placement, evaluation }: Decision): ObjectiveReport[] {
  const { slo } = problem;
  const margin = problem.margin[kindOf(placement.plan)];
  return (["ttft", "tpot"] as const).flatMap((objective) => {
    const limitMs = slo[`${objective}Ms`];
    if (limitMs === null) return [];
    return [{ objective, limitMs, predictedMs: evaluation[`${objective}Ms`], margin: margin[objective] }];
  });
}

function memoryReport({ sizes, specs }: PlanningProblem, { placement }: Decision): MemoryReport {
  const { plan, devices } = placement;
  const specMb = plan.specMain.memoryMb;
  const neededMb = mainNeedMb(sizes, devices, remoteCounts(plan, sizes));
  const restMb = mainNeedMb(sizes, devices, Array(sizes.layers).fill(sizes.experts));
  const isForSpeed = specs.main.some((spec) => spec >= neededMb && spec < specMb);
  return { specMb, neededMb, restMb, localExpertsMb: neededMb - restMb, isForSpeed };
}

function remoteCounts({ layers }: Plan, sizes: ModelSizes): number[] {
  const counts = Array<number>(sizes.layers).fill(0);
  for (const { layer, remote } of layers) counts[layer] = remote.length;
  return counts;
}

function alternatives(problem: PlanningProblem, { placement }: Decision, planner: Planner): Alternative[] {
  const { specs } = problem;
  const { memoryMb } = placement.plan.specMain;
  const withMain = (main: readonly number[]): PlanningProblem => ({ ...problem, specs: { ...specs, main } });
  const variants: readonly [Alternative["name"], PlanningProblem][] = [
    ["cheapest", { ...problem, slo: { ttftMs: null, tpotMs: null } }],
    ["smaller", withMain(specs.main.filter((spec) => spec < memoryMb))],
    ["larger", withMain(specs.main.filter((spec) => spec > memoryMb))],
    ["unsplit", { ...problem, specs: { ...specs, experts: [] } }],
  ];
  return variants.flatMap(([name, variant]) => {
    const found = planNow(planner, variant);
    return found === null || isSame(found.placement.plan, placement.plan) ? [] : [toAlternative(name, found, problem)];
  });
}

function isSame(one: Plan, other: Plan): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function toAlternative(
  name: Alternative["name"],
  { placement: { plan }, evaluation }: Decision,
  { slo, margin }: PlanningProblem,
): Alternative {
  const remoteExperts = plan.layers.reduce((sum, { remote }) => sum + remote.length, 0);
  // Planned without objectives, judged with them.
  const violations = (["ttft", "tpot"] as const).flatMap((objective): Violation[] => {
    const limitMs = slo[`${objective}Ms`];
    const expectedMs = margin[kindOf(plan)][objective] * evaluation[`${objective}Ms`];
    return limitMs === null || expectedMs <= limitMs ? [] : [{ objective, limitMs, expectedMs }];
  });
  return { name, mainMb: plan.specMain.memoryMb, remoteExperts, cost: evaluation.cost, violations };
}
