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

export type NewPlan = Pick<CachedPlan, "plan" | "slowness">;

const CAPACITY = 64;

/** Plans by group of prompts and rough length, so that requests which are alike share functions. */
export class PlanCache {
  /** Least recently used first. */
  readonly #plans = new Map<string, CachedPlan>();
  readonly #inTheMaking = new Map<string, Promise<CachedPlan>>();

  find(key: PlanKey): CachedPlan | null {
    const name = nameOf(key);
    const found = this.#plans.get(name);
    if (found === undefined) return null;
    this.#plans.delete(name);
    this.#plans.set(name, found);
    found.uses++;
    return found;
  }

  /** Adds what is made; whoever asks for the same meanwhile shares it. @throws what making it throws */
  make(key: PlanKey, planAnew: () => Promise<NewPlan>): Promise<CachedPlan> {
    const name = nameOf(key);
    const shared = this.#inTheMaking.get(name);
    if (shared !== undefined) return shared;
    const making = planAnew()
      .then((made) => this.#add(name, made))
      .finally(() => this.#inTheMaking.delete(name));
    this.#inTheMaking.set(name, making);
    return making;
  }

  #add(name: string, { plan, slowness }: NewPlan): CachedPlan {
    const added = { plan, slowness, regret: 0, uses: 0 };
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
