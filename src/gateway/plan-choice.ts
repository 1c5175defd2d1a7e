import type { Evaluation, Violation } from "../planner/evaluation.ts";
import type { Plan } from "../planner/plan.ts";
import type { Expectation } from "./learning.ts";
import type { RequestTrace } from "./trace.ts";

/** What a plan is chosen for. */
export interface PlanQuery {
  readonly promptTokens: number;
  /** Most tokens of the answer. */
  readonly maxTokens: number;
  /** `null` where nothing is predicted. */
  readonly expectation: Expectation | null;
}

/** Where a request's experts run, and why. */
export interface PlanChoice {
  readonly plan: Plan;
  /** `null` where the plan was given and not chosen. */
  readonly reasons: PlanReasons | null;
}

/**
 * `new`: planned for this request; `cached`: planned for an earlier one like it; `warm`: of functions that are running.
 */
export type PlanSource = "new" | "cached" | "warm";

/** How a plan was chosen; one with the trace of every request. */
export interface PlanReasons {
  readonly source: PlanSource;
  readonly predicted: Predicted;
  /** Whether the objectives should hold, with margin. */
  readonly feasible: boolean;
  readonly violations: readonly Violation[];
  /** Everything that was weighed, the choice among it. */
  readonly candidates: readonly PlanCandidate[];
}

export type Predicted = Pick<Evaluation, "ttftMs" | "tpotMs" | "prefillMs" | "coldStartMs" | "cost">;

export interface PlanCandidate extends Predicted {
  readonly source: PlanSource;
  /** Whether its functions are running. */
  readonly isWarm: boolean;
  readonly feasible: boolean;
  /** Of the main function, in MiB. */
  readonly mainMb: number;
  /** Experts that are elsewhere, over all layers. */
  readonly remoteExperts: number;
}

/** Decides where the experts of each request run. */
export interface PlanChooser {
  /**
   * @param began when work on the request began, in milliseconds of the gateway's clock
   * @throws PLAN_INFEASIBLE where the objectives cannot be met and that is not to be tolerated
   */
  choose(query: PlanQuery, began: number): Promise<PlanChoice>;
  /** Takes in how a request with a choice of this chooser went, once for each, however it ended. */
  observe(choice: PlanChoice, trace: RequestTrace): void;
}

/** The same plan for every request. */
export function fixedPlan(plan: Plan): PlanChooser {
  return { choose: async () => ({ plan, reasons: null }), observe: () => {} };
}
