import type { PlanningProblem, Slo } from "../src/planner/problem.ts";
import { largestFunction } from "./plan-problems.ts";

/** A user who asks for no more would be served by one function, with some room. */
const SLACK = 1.5;

/**
 * Objectives where nobody asks for any: 1.5 times what 95 of 100 requests take at most, as far as is known, in one
 * function of the largest size that holds every expert.
 */
export function usualObjectives(problem: PlanningProblem): Slo {
  const { ttftMs, tpotMs } = largestFunction(problem);
  const margin = problem.margin.unsplit;
  return { ttftMs: SLACK * margin.ttft * ttftMs, tpotMs: SLACK * margin.tpot * tpotMs };
}
