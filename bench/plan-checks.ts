import type { Comparison, PlannerResult } from "./plan-comparison.ts";
import type { TimedDecisions } from "./plan-decision.ts";
import type { Setting } from "./plan-problems.ts";

/** Requests of one shape in one setting with the same objectives. */
export interface PlanCase extends Comparison, TimedDecisions {
  readonly setting: Setting;
  /** Of the objectives, as multiples of what one function of the most memory takes. */
  readonly slack: number;
  /** To plan each request where functions have to be started, in milliseconds, and the longest step of that. */
  readonly coldTimesMs: readonly number[];
  readonly coldLongestStepMs: number;
}

/** Whether Remoe's plan never costs more than another planner's, and has one whenever that has. */
export interface Check {
  readonly planner: string;
  readonly holds: boolean;
  /** Where it costs most in relation; `null` where no request has a plan of both. */
  readonly worst: Occurrence | null;
  /** Requests the other has a plan for and Remoe has not. */
  readonly unmatched: number;
}

/** Remoe's cost divided by the other's. */
export interface Occurrence extends Pick<PlanCase, "setting" | "slack"> {
  readonly shape: string;
  readonly ratio: number;
}

export interface NamedCases {
  readonly name: string;
  readonly cases: readonly PlanCase[];
}

/** Sums in another order differ by less. */
const ROUNDING = 1e-9;

/** One for each planner but Remoe's. */
export function checkCosts(shapes: readonly NamedCases[]): Check[] {
  const names = new Set(shapes.flatMap(({ cases }) => cases.flatMap(({ planners }) => planners.map(toName))));
  return [...names].filter((planner) => planner !== "remoe").map((planner) => checkCost(planner, shapes));
}

function toName({ planner }: PlannerResult): string {
  return planner;
}

function checkCost(planner: string, shapes: readonly NamedCases[]): Check {
  let worst: Occurrence | null = null;
  let unmatched = 0;
  for (const { name: shape, cases } of shapes) {
    for (const { setting, slack, planners } of cases) {
      const result = planners.find((each) => each.planner === planner);
      unmatched += result?.unmatched ?? 0;
      const ratio = result?.remoeOver?.greatest ?? 0;
      if (ratio > (worst?.ratio ?? 0)) worst = { shape, setting, slack, ratio };
    }
  }
  return { planner, holds: unmatched === 0 && (worst?.ratio ?? 0) <= 1 + ROUNDING, worst, unmatched };
}
