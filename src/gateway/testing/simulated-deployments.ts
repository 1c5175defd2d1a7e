import type { Plan } from "../../planner/plan.ts";
import type { Deployments } from "../deployments.ts";

/** Functions that take no time to start and never end. */
export class SimulatedDeployments implements Pick<Deployments, "known" | "isWarm" | "warmPlans" | "start"> {
  readonly #plans = new Map<string, Plan>();
  readonly #running = new Set<Plan>();
  readonly #served = new Set<Plan>();

  known(plan: Plan): Plan {
    const key = JSON.stringify(plan);
    const known = this.#plans.get(key) ?? plan;
    this.#plans.set(key, known);
    return known;
  }

  async start(plan: Plan): Promise<void> {
    this.#running.add(plan);
  }

  isWarm(plan: Plan): boolean {
    return this.#running.has(plan);
  }

  warmPlans(): Plan[] {
    return [...this.#running];
  }

  /** For a request. → whether they have served none before */
  acquire(plan: Plan): boolean {
    const isNew = !this.#served.has(plan);
    this.#running.add(plan);
    this.#served.add(plan);
    return isNew;
  }
}
