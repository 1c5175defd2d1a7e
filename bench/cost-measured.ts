import { loadavg } from "node:os";
import { median, type Spread, spread } from "../src/core/stats.ts";
import type { Workload } from "../src/planner/problem.ts";
import { remoe } from "../src/planner/remoe-planner.ts";
import { openOwnFolder } from "../src/platform/own-folder.ts";
import { startContestants } from "./cost-contestants.ts";
import { type Runs, serveInTurns } from "./cost-runs.ts";
import {
  type CostComparison,
  compareCosts,
  contextOf,
  type ErrorsByStart,
  predictionErrors,
  type Repeatability,
  repeatabilityOf,
  summariseCosts,
} from "./cost-summary.ts";
import { prepareTrial, type Trial, type TrialOptions, type TrialPrompt } from "./cost-trial.ts";

export interface MeasuredCostOptions extends Omit<TrialOptions, "prompts" | "isCold"> {
  readonly requests: number;
  /** Names of methods. */
  readonly methods: readonly string[];
}

export interface MeasuredCosts extends CostComparison {
  /** Load average of the last minute, before and after. */
  readonly load: readonly [number, number];
  /** That predictions and fixed plans are made from. */
  readonly pastRequests: number;
  readonly maxTokens: number;
  /** Requests of each method that came first and do not count. */
  readonly warmUp: number;
  /** How far off predictions were, by method. */
  readonly errors: Readonly<Record<string, ErrorsByStart>>;
  /** By method with one plan for all requests. */
  readonly repeatability: Readonly<Record<string, Repeatability>>;
  /** Prediction and planning of Remoe's requests, in milliseconds; `null` without it. */
  readonly calculateMs: Spread | null;
  /** Whether all methods generated the same tokens. */
  readonly identical: boolean;
}

/** The first 1,600 or so expert calls of a process are two to three times slower: V8 compiles, caches are cold. */
const WARM_UP = 5;
/** How often, at most, one request is served again, spread over the run. */
const REPEATS = 12;

/**
 * What methods really cost on this machine: each is a system of its own, which serves the same prompts. Methods whose
 * hardware is not here are `null`.
 * @throws PROFILE_*, HISTORY_*, PROMPTS_INVALID, what systems throw
 */
export async function measureCosts(options: MeasuredCostOptions): Promise<MeasuredCosts> {
  const before = loadavg()[0] ?? 0;
  await using folder = await openOwnFolder({ prefix: "remoe-bench-" });
  const trial = await prepareTrial({ ...options, prompts: WARM_UP + options.requests, isCold: false }, folder.path);
  const { outcomes, repeated, identical } = await serveAll(options, trial);
  const own = outcomes.get(remoe.name);
  const methods = Object.fromEntries(
    options.methods.map((name) => {
      const served = outcomes.get(name);
      return [name, served === undefined ? null : summariseCosts(served)];
    }),
  );
  return {
    ...contextOf(trial.common),
    requests: trial.prompts.length - WARM_UP,
    workload: middleOf(trial.prompts.slice(WARM_UP)),
    methods,
    ...compareCosts(methods),
    load: [before, loadavg()[0] ?? 0],
    pastRequests: trial.pastRequests,
    maxTokens: options.maxTokens,
    warmUp: WARM_UP,
    errors: Object.fromEntries([...outcomes].map(([name, served]) => [name, predictionErrors(served)])),
    repeatability: Object.fromEntries([...repeated].map(([name, served]) => [name, repeatabilityOf(served)])),
    calculateMs: own === undefined ? null : spread(own.map(({ calculateMs }) => calculateMs)),
    identical,
  };
}

async function serveAll(options: MeasuredCostOptions, trial: Trial): Promise<Runs> {
  await using systems = await startContestants(options, trial);
  return await serveInTurns(systems.contestants, trial.prompts, {
    maxTokens: options.maxTokens,
    warmUp: WARM_UP,
    repeatEvery: Math.ceil(options.requests / REPEATS),
  });
}

function middleOf(prompts: readonly TrialPrompt[]): Workload {
  const middle = (length: keyof Workload): number => median(prompts.map(({ problem }) => problem.workload[length]));
  return { promptTokens: middle("promptTokens"), outputTokens: middle("outputTokens") };
}
