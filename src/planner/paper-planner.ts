import { addReplicas } from "./add-replicas.ts";
import { evaluate, splitDevices } from "./evaluate.ts";
import type { Decision, Placement, Violation } from "./evaluation.ts";
import { largestPlan } from "./largest-plan.ts";
import { hoeffdingBound, type LoadBound } from "./load-bound.ts";
import { mmp } from "./mmp.ts";
import type { Plan } from "./plan.ts";
import type { Planner } from "./planner.ts";
import type { PlanningProblem } from "./problem.ts";
import { sizeLayers } from "./size-layers.ts";
import { smallestSpec } from "./specs.ts";
import { selectUniform } from "./uniform-selection.ts";
import { worstCase } from "./worst-case.ts";

/** Remoe as published (arXiv 2512.18674), with its formulas corrected. */
export const paper: Planner = createPaperPlanner((problem) => hoeffdingBound(problem.sizes));

/**
 * The paper's steps: main memory and remote ratio from the worst case, the same share of every layer remote, memory of
 * remote functions by the Lagrangian dual, replicas by their potential.
 *
 * Infeasible already where the worst case misses an objective, whatever is expected: the violations are then the worst
 * case's, with the most memory there is.
 */
export function createPaperPlanner(boundOf: (problem: PlanningProblem) => LoadBound): Planner {
  return {
    name: "paper",
    *plan(problem) {
      const bound = boundOf(problem);
      const main = yield* mmp(problem, bound);
      if (main === null) return null;
      const selection = selectUniform(problem, main.remoteRatio);
      const largest = largestPlan(problem, { mainMb: main.memoryMb, selection, bound });
      if (main.worst.violations.length > 0) return missing(decide(problem, largest), main.worst.violations);
      if (main.remoteRatio === 0) return decide(problem, largest);
      return decide(problem, yield* sizeFunctions({ problem, bound }, largest));
    },
  };
}

interface Bounded {
  readonly problem: PlanningProblem;
  readonly bound: LoadBound;
}

function* sizeFunctions({ problem, bound }: Bounded, largest: Plan): Generator<void, Plan, void> {
  const devices = splitDevices(problem.profile);
  const isFastEnough = (plan: Plan): boolean =>
    worstCase(problem, bound, { plan, devices }).violations.every(({ objective }) => objective !== "ttft");
  const isKept = (plan: Plan): boolean => isFastEnough(plan) && decide(problem, plan).feasible;
  const { gpuMemoryMb } = evaluate(problem, { plan: largest, devices });
  const sized = yield* sizeLayers(problem, largest, gpuMemoryMb);
  let plan = yield* addReplicas(problem, sized, isFastEnough);
  // Where replicas are not enough, or make decode slower: the largest sizes keep the worst case.
  while (!isKept(plan) && plan.layers.some(({ memoryMb }) => nextSize(problem, memoryMb) !== null)) {
    plan = enlarge(problem, plan);
    yield;
  }
  return plan;
}

function enlarge(problem: PlanningProblem, { specMain, layers }: Plan): Plan {
  return {
    specMain,
    layers: layers.map((layer) => ({ ...layer, memoryMb: nextSize(problem, layer.memoryMb) ?? layer.memoryMb })),
  };
}

function nextSize({ specs }: PlanningProblem, memoryMb: number): number | null {
  return smallestSpec(specs.experts, memoryMb + 1);
}

function decide(problem: PlanningProblem, plan: Plan): Decision {
  const placement: Placement = { plan, devices: splitDevices(problem.profile) };
  const evaluation = evaluate(problem, placement);
  return { placement, evaluation, feasible: evaluation.violations.length === 0 };
}

function missing(decision: Decision, violations: readonly Violation[]): Decision {
  return { ...decision, evaluation: { ...decision.evaluation, violations }, feasible: false };
}
