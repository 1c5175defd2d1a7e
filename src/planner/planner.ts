import type { Decision } from "./evaluation.ts";
import type { PlanningProblem } from "./problem.ts";

/** A way to decide where experts run. */
export interface Planner {
  /** As in tables: `remoe`, `paper`, `cpu`, `mix`, … */
  readonly name: string;
  /**
   * Yields after each step of bounded work, so that a gateway can attend to its streams.
   * @param orElse what is wanted where nothing meets the objectives: what misses them least, or nothing, which may be
   * told sooner
   * @returns `null` where nothing it can think of fits into the specs, or the hardware it needs is not there
   */
  plan(problem: PlanningProblem, orElse?: OrElse): Generator<void, Decision | null, void>;
}

export type OrElse = "nearest" | "nothing";

/** All steps at once. */
export function planNow(planner: Planner, problem: PlanningProblem, orElse?: OrElse): Decision | null {
  const steps = planner.plan(problem, orElse);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
