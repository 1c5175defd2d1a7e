import { type System, startSystem } from "../src/cli/system.ts";
import { planNow } from "../src/planner/planner.ts";
import { remoe } from "../src/planner/remoe-planner.ts";
import { methodNamed } from "./cost-methods.ts";
import type { Trial, TrialOptions } from "./cost-trial.ts";

/** A method and the system that runs by it. */
export interface Contestant {
  readonly name: string;
  readonly system: System;
  /** Whether one plan is for all requests. */
  readonly isFixed: boolean;
}

export type ContestantOptions = Pick<TrialOptions, "model" | "profile" | "priceBook"> & {
  /** Names of methods. */
  readonly methods: readonly string[];
};

const STOP_MS = 2_000;

/**
 * Starts a system for each method whose hardware is here. Remoe's plans each request from the trial's history; the others
 * have one plan for all requests.
 */
export async function startContestants(
  options: ContestantOptions,
  trial: Trial,
): Promise<AsyncDisposable & { readonly contestants: readonly Contestant[] }> {
  const contestants: Contestant[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(contestants.map(({ system }) => system.stop(STOP_MS)));
  };
  try {
    for (const name of options.methods) {
      const contestant = await (name === remoe.name ? startRemoe(options, trial) : startFixed(name, options, trial));
      if (contestant !== null) contestants.push(contestant);
    }
    return { contestants, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startRemoe({ model, profile, priceBook }: ContestantOptions, trial: Trial): Promise<Contestant> {
  const { slo } = trial.common;
  const system = await startSystem({
    model,
    priceBook,
    planning: { profile, slo, policy: "best-effort", reuse: true },
    history: { path: trial.history, privacy: "full" },
  });
  return { name: remoe.name, system, isFixed: false };
}

async function startFixed(
  name: string,
  { model, priceBook }: ContestantOptions,
  { common }: Trial,
): Promise<Contestant | null> {
  const decision = planNow(methodNamed(name), common);
  if (decision === null) return null;
  const { plan } = decision.placement;
  return { name, system: await startSystem({ model, priceBook, plan: { made: plan } }), isFixed: true };
}
