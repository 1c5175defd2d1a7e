import type { Plan } from "../planner/plan.ts";

export interface BackgroundStartOptions {
  /** Starts a plan's functions. */
  readonly start: (plan: Plan) => Promise<void>;
  /** Whether no request runs or waits. */
  readonly isIdle: () => boolean;
}

/**
 * Starts functions that no request waits for: one plan's at a time, and only while nothing runs, since a start takes the
 * processors that requests need.
 */
export class BackgroundStarts {
  readonly #options: BackgroundStartOptions;
  #wanted: Plan | null = null;
  #isUnderWay = false;

  constructor(options: BackgroundStartOptions) {
    this.#options = options;
  }

  /** Whether requests now share the machine with a start. */
  get isUnderWay(): boolean {
    return this.#isUnderWay;
  }

  /** Asks for a plan's functions, instead of those asked for before. */
  want(plan: Plan): void {
    this.#wanted = plan;
  }

  /** To be called when nothing runs any more. */
  async proceed(): Promise<void> {
    while (this.#wanted !== null && !this.#isUnderWay && this.#options.isIdle()) {
      const plan = this.#wanted;
      this.#wanted = null;
      this.#isUnderWay = true;
      // If it fails, requests that need it will say why.
      await this.#options.start(plan).catch(() => {});
      this.#isUnderWay = false;
    }
  }
}
