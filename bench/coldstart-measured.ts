import { randomBytes } from "node:crypto";
import { answerPrompt } from "../src/cli/answer-prompt.ts";
import { createNamedPlatform } from "../src/cli/create-named-platform.ts";
import { createProgress } from "../src/cli/progress.ts";
import { startSystem } from "../src/cli/system.ts";
import type { ColdStart } from "../src/functions/spec.ts";
import { type FunctionSpecs, toFunctionSpecs } from "../src/gateway/function-specs.ts";
import type { RequestTrace } from "../src/gateway/trace.ts";
import { GREEDY } from "../src/model/sampling.ts";
import type { Plan } from "../src/planner/plan.ts";
import { planNow } from "../src/planner/planner.ts";
import { remoe } from "../src/planner/remoe-planner.ts";
import { openOwnFolder } from "../src/platform/own-folder.ts";
import type { Platform } from "../src/platform/platform.ts";
import {
  type ColdStartComparison,
  type ColdStartOutcome,
  type ColdStartParts,
  compareStarts,
  summariseStarts,
} from "./coldstart-summary.ts";
import { methodNamed } from "./cost-methods.ts";
import { contextOf, sizeOf } from "./cost-summary.ts";
import { prepareTrial, type Trial, type TrialOptions, type TrialPrompt } from "./cost-trial.ts";

export interface MeasuredStartOptions extends Omit<TrialOptions, "prompts" | "isCold"> {
  /** Of each method. */
  readonly starts: number;
  /** Names of methods. */
  readonly methods: readonly string[];
}

/**
 * Real cold starts on this machine. Remoe's are those of requests to a gateway that has no function: it predicts, plans
 * and starts. The others' functions are started as their gateway would; their plan is known before.
 * @throws PROFILE_*, HISTORY_*, PROMPTS_INVALID, what starting functions throws
 */
export async function measureStarts(options: MeasuredStartOptions): Promise<ColdStartComparison> {
  await using folder = await openOwnFolder({ prefix: "remoe-bench-" });
  const trial = await prepareTrial({ ...options, prompts: options.starts, isCold: true }, folder.path);
  const starts = new Map<string, ColdStartOutcome[]>();
  const progress = createProgress();
  for (const [round, prompt] of trial.prompts.entries()) {
    progress.show(`start ${round + 1} of ${options.starts}`);
    for (const name of options.methods) {
      const start = await (name === remoe.name ? startRequest(prompt, options, trial) : startFunctions(name, trial));
      if (start !== null) starts.set(name, [...(starts.get(name) ?? []), start]);
    }
  }
  progress.end();
  const methods = Object.fromEntries(
    options.methods.map((name) => {
      const own = starts.get(name);
      return [name, own === undefined ? null : summariseStarts(own)];
    }),
  );
  return {
    ...contextOf(trial.common),
    starts: options.starts,
    methods,
    ...compareStarts(methods),
  };
}

const STOP_MS = 2_000;

/** A request that finds no function. */
async function startRequest(
  { prompt }: TrialPrompt,
  { model, profile, priceBook }: MeasuredStartOptions,
  { common, history }: Trial,
): Promise<ColdStartOutcome> {
  const system = await startSystem({
    model,
    priceBook,
    planning: { profile, slo: common.slo, policy: "best-effort", reuse: false },
    history: { path: history, privacy: "full" },
  });
  try {
    const asked = { prompt, maxTokens: 1, stop: [], sampling: GREEDY, onText: () => {} };
    const { trace } = await answerPrompt(system.pipeline, asked, new AbortController().signal);
    return outcomeOf(trace);
  } finally {
    await system.stop(STOP_MS);
  }
}

function outcomeOf({ timings, coldStart, bill, plan }: RequestTrace): ColdStartOutcome {
  if (coldStart === null || plan === null) throw new Error("a request without running functions has no cold start");
  const started = bill.items.filter(({ role, phase }) => role === "experts" && phase === "cold-start");
  const calculateMs = timings.predictMs + timings.planMs;
  return {
    ...mainParts(coldStart),
    remoteMs: Math.max(0, ...started.map(({ billedMs }) => billedMs)),
    calculateMs,
    totalMs: calculateMs + timings.coldStartMs,
    ...sizeOf(plan),
  };
}

function mainParts({ processMs, librariesMs, weightsMs }: ColdStart): Pick<ColdStartParts, "containerMs" | "loadMs"> {
  return { containerMs: processMs + librariesMs, loadMs: weightsMs };
}

/** All functions of a plan for all requests, on a platform of their own. */
async function startFunctions(name: string, { common, program }: Trial): Promise<ColdStartOutcome | null> {
  const decision = planNow(methodNamed(name), common);
  if (decision === null) return null;
  const { plan } = decision.placement;
  const { platform } = await createNamedPlatform("local", { secret: randomBytes(32).toString("hex") });
  try {
    return await timeStart(platform, toFunctionSpecs(plan, program), plan);
  } finally {
    await platform.close(STOP_MS);
  }
}

async function timeStart(platform: Platform, { main, experts }: FunctionSpecs, plan: Plan): Promise<ColdStartOutcome> {
  const began = performance.now();
  const specs = [main, ...experts.flatMap(({ replicas }) => replicas)];
  const leases = await Promise.all(specs.map((spec) => platform.acquire(spec)));
  const totalMs = performance.now() - began;
  const [first, ...others] = leases.map(({ coldStart }) => coldStart as ColdStart);
  return {
    ...mainParts(first as ColdStart),
    remoteMs: Math.max(0, ...others.map((start) => start.totalMs)),
    calculateMs: 0,
    totalMs,
    ...sizeOf(plan),
  };
}
