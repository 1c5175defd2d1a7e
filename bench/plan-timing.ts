import type { Decision } from "../src/planner/evaluation.ts";
import type { Planner } from "../src/planner/planner.ts";
import type { PlanningProblem } from "../src/planner/problem.ts";

export interface TimedDecision {
  readonly decision: Decision | null;
  readonly ms: number;
  /** Between two yields: as long as streams of a gateway wait. */
  readonly longestStepMs: number;
}

/** @param now milliseconds */
export function timePlan(planner: Planner, problem: PlanningProblem, now: () => number): TimedDecision {
  const steps = planner.plan(problem);
  const start = now();
  let [last, longestStepMs] = [start, 0];
  for (;;) {
    const { done, value } = steps.next();
    const at = now();
    longestStepMs = Math.max(longestStepMs, at - last);
    last = at;
    if (done === true) return { decision: value, ms: at - start, longestStepMs };
  }
}
