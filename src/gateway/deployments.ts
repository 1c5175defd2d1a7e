import type { Plan } from "../planner/plan.ts";
import type { AcquiredFunctions } from "./acquired-functions.ts";
import { acquireFunctions, type FunctionSetOptions } from "./function-set.ts";
import { type FunctionSpecs, type ModelProgram, toFunctionSpecs } from "./function-specs.ts";

export interface DeploymentOptions extends Omit<FunctionSetOptions, "specs"> {
  readonly program: ModelProgram;
}

/** A plan and the functions it needs. */
interface Deployment {
  readonly plan: Plan;
  readonly specs: FunctionSpecs;
  early: EarlyFunctions | null;
}

/** Functions that were started for nobody yet. */
interface EarlyFunctions {
  readonly started: Promise<AcquiredFunctions>;
  isReady: boolean;
}

/** Functions that were started for nobody yet go back to the platform after this long, and may be stopped there. */
const EARLY_MS = 60_000;
/** Plans remembered; the platform keeps functions of forgotten ones until their keep-alive ends. */
const MOST_PLANS = 64;

/** The plans of one model that have, had or will have functions on a platform. */
export class Deployments {
  readonly #options: DeploymentOptions;
  /** Least recently used first. */
  readonly #deployments = new Map<string, Deployment>();

  readonly #keys = new WeakMap<Plan, string>();

  constructor(options: DeploymentOptions) {
    this.#options = options;
  }

  /** A plan's functions for one request, warm or started for it. @throws what starting them throws */
  acquire(plan: Plan, signal: AbortSignal): Promise<AcquiredFunctions> {
    const deployment = this.#find(plan);
    const { early } = deployment;
    deployment.early = null;
    return early?.started ?? acquireFunctions({ ...this.#options, specs: deployment.specs }, signal);
  }

  /**
   * Starts a plan's functions before a request wants them; the first that does takes them over with their cold start.
   * @returns when they are ready. @throws what starting them throws
   */
  async start(plan: Plan, signal: AbortSignal): Promise<void> {
    const deployment = this.#find(plan);
    if (deployment.early !== null || this.#isWarm(deployment)) return;
    const started = acquireFunctions({ ...this.#options, specs: deployment.specs }, signal);
    const early: EarlyFunctions = { started, isReady: false };
    deployment.early = early;
    try {
      const functions = await started;
      early.isReady = true;
      setTimeout(() => giveBack(deployment, early, functions), EARLY_MS).unref();
    } catch (error) {
      if (deployment.early === early) deployment.early = null;
      throw error;
    }
  }

  /**
   * To be called when a request has come and its plan is not known yet: where it will probably wait for a start, what does not
   * depend on the plan begins now. → the start is not expected any more
   */
  expectStart(): () => void {
    return this.#isServing() ? () => {} : this.#options.platform.expectStart();
  }

  /** The plan that says the same as this one and was seen first, or else this one. */
  known(plan: Plan): Plan {
    return this.#find(plan).plan;
  }

  /** Whether a request with this plan would wait for no start. */
  isWarm(plan: Plan): boolean {
    return this.#isWarm(this.#find(plan));
  }

  /** Plans whose functions are warm. */
  warmPlans(): readonly Plan[] {
    return [...this.#deployments.values()].filter((each) => this.#isWarm(each)).map(({ plan }) => plan);
  }

  /** Whether there are functions that may serve a request, or will be soon. */
  #isServing(): boolean {
    const isStarting = this.#options.platform.list().some(({ role, state }) => role === "main" && state === "starting");
    return isStarting || [...this.#deployments.values()].some((each) => each.early !== null || this.#isWarm(each));
  }

  #isWarm({ specs, early }: Deployment): boolean {
    if (early !== null) return early.isReady;
    const all = [specs.main, ...specs.experts.flatMap(({ replicas }) => replicas)];
    return all.every((spec) => this.#options.platform.isWarm(spec));
  }

  #find(plan: Plan): Deployment {
    const key = this.#keyOf(plan);
    const known = this.#deployments.get(key);
    const found = known ?? { plan, specs: toFunctionSpecs(plan, this.#options.program), early: null };
    this.#deployments.delete(key);
    this.#deployments.set(key, found);
    const oldest = this.#deployments.keys().next().value;
    if (this.#deployments.size > MOST_PLANS && oldest !== undefined) this.#deployments.delete(oldest);
    return found;
  }

  /** Plans may name thousands of experts. */
  #keyOf(plan: Plan): string {
    const known = this.#keys.get(plan);
    if (known !== undefined) return known;
    const key = JSON.stringify(plan);
    this.#keys.set(plan, key);
    return key;
  }
}

function giveBack(deployment: Deployment, early: EarlyFunctions, functions: AcquiredFunctions): void {
  if (deployment.early !== early) return;
  deployment.early = null;
  functions.putBack();
}
