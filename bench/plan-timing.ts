import type { Decision } from "../src/planner/evaluation.ts";
import type { Planner } from "../src/planner/planner.ts";
import type { PlanningProblem } from "../src/planner/problem.ts";

/** In milliseconds. */
export interface Clocks {
  wall(): number;
  /** Of all threads of this process: other work on the machine does not show. */
  processor(): number;
}

export interface TimedDecision {
  readonly decision: Decision | null;
  readonly ms: number;
  readonly processorMs: number;
  /** Between two yields: as long as streams of a gateway wait. */
  readonly longestStepMs: number;
}

export function timePlan(planner: Planner, problem: PlanningProblem, clocks: Clocks): TimedDecision {
  const steps = planner.plan(problem);
  const [start, processorStart] = [clocks.wall(), clocks.processor()];
  let [last, longestStepMs] = [start, 0];
  for (;;) {
    const { done, value } = steps.next();
    const at = clocks.wall();
    longestStepMs = Math.max(longestStepMs, at - last);
    last = at;
    if (done !== true) continue;
    return { decision: value, ms: at - start, processorMs: clocks.processor() - processorStart, longestStepMs };
  }
}
