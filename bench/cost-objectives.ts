import { evaluate } from "../src/planner/evaluate.ts";
import type { PlanningProblem, Slo } from "../src/planner/problem.ts";

/** A user who asks for no more than this would be served by one function with little care. */
export const SLACK = 1.5;

/**
 * Objectives where nobody asks for any: SLACK times what one function takes that has everything on the processor and the
 * most memory there is.
 */
export function usualObjectives(problem: PlanningProblem): Slo {
  const memoryMb = Math.max(...problem.specs.main);
  const { ttftMs, tpotMs } = evaluate(problem, { plan: { specMain: { memoryMb }, layers: [] }, devices: "cpu" });
  return { ttftMs: SLACK * ttftMs, tpotMs: SLACK * tpotMs };
}
