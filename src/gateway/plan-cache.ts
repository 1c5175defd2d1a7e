import type { Plan } from "../planner/plan.ts";
import type { Workload } from "../planner/problem.ts";
import type { ForecastSource } from "../predictor/online-predictor.ts";

/** What requests of one plan have in common. */
export interface PlanKey {
  /** The group of similar prompts. */
  readonly group: number | null;
  readonly source: ForecastSource;
  readonly workload: Workload;
}

export interface CachedPlan {
  readonly plan: Plan;
  /** What requests have paid more than with this plan because its functions were not running. */
  regret: number;
  /** Requests that asked for it. */
  uses: number;
  /** How much slower than the profile, margin included, tokens were taken to be when it was made. */
  readonly slowness: number;
}

const CAPACITY = 64;

/** Plans by group of prompts and rough length, so that requests which are alike share functions. */
export class PlanCache {
  /** Least recently used first. */
  readonly #plans = new Map<string, CachedPlan>();

  find(key: PlanKey): CachedPlan | null {
    const name = nameOf(key);
    const found = this.#plans.get(name);
    if (found === undefined) return null;
    this.#plans.delete(name);
    this.#plans.set(name, found);
    found.uses++;
    return found;
  }

  add(key: PlanKey, { plan, slowness }: Pick<CachedPlan, "plan" | "slowness">): CachedPlan {
    const added = { plan, slowness, regret: 0, uses: 0 };
    const name = nameOf(key);
    this.#plans.delete(name);
    this.#plans.set(name, added);
    const oldest = this.#plans.keys().next().value;
    if (this.#plans.size > CAPACITY && oldest !== undefined) this.#plans.delete(oldest);
    return added;
  }
}

function nameOf({ group, source, workload: { promptTokens, outputTokens } }: PlanKey): string {
  return [group, source, magnitude(promptTokens), magnitude(outputTokens)].join(" ");
}

/** Lengths within a factor of two are alike. */
function magnitude(tokens: number): number {
  return Math.ceil(Math.log2(tokens + 1));
}
