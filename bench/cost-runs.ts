import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, answerPrompt } from "../src/cli/answer-prompt.ts";
import { createProgress } from "../src/cli/progress.ts";
import { judgeSlo } from "../src/cli/slo.ts";
import { hadColdStart, type RequestTrace } from "../src/gateway/trace.ts";
import { GREEDY } from "../src/model/sampling.ts";
import { evaluate, splitDevices } from "../src/planner/evaluate.ts";
import type { Evaluation } from "../src/planner/evaluation.ts";
import type { PlanningProblem } from "../src/planner/problem.ts";
import type { Platform } from "../src/platform/platform.ts";
import type { Contestant } from "./cost-contestants.ts";
import { type CostOutcome, type PredictedOutcome, sizeOf } from "./cost-summary.ts";
import type { TrialPrompt } from "./cost-trial.ts";

/** Prompts served by every contestant. */
export interface Runs {
  /** By contestant's name, one for each prompt. */
  readonly outcomes: ReadonlyMap<string, readonly PredictedOutcome[]>;
  /** One prompt, again and again, by name of contestants whose plan stays the same. */
  readonly repeated: ReadonlyMap<string, readonly CostOutcome[]>;
  /** Whether all generated the same tokens. */
  readonly identical: boolean;
}

export interface RunOptions {
  /** Of an answer. */
  readonly maxTokens: number;
  /** Prompts that come first and do not count. */
  readonly warmUp: number;
  /** How many prompts lie between two servings of the repeated one, which is the first that counts. */
  readonly repeatEvery: number;
}

/** Within this time a start in the background has begun, if there is to be one. */
const STARTS_MS = 50;

/** Contestants take turns, another one first for each prompt. */
export async function serveInTurns(
  contestants: readonly Contestant[],
  prompts: readonly TrialPrompt[],
  { maxTokens, warmUp, repeatEvery }: RunOptions,
): Promise<Runs> {
  const outcomes = listByName<PredictedOutcome>(contestants);
  const fixed = contestants.filter(({ isFixed }) => isFixed);
  const repeated = listByName<CostOutcome>(fixed);
  const again = prompts[warmUp] as TrialPrompt;
  const progress = createProgress();
  let identical = true;
  for (const [turn, asked] of prompts.entries()) {
    progress.show(`prompt ${turn + 1} of ${prompts.length}`);
    const served = await serveByEach(contestants, asked, { first: turn, maxTokens });
    identical &&= new Set(served.map(({ answer }) => `${answer.tokens}`)).size === 1;
    if (turn < warmUp) continue;
    for (const { name, answer } of served) outcomes.get(name)?.push(toOutcome(answer.trace, asked.problem));
    if ((turn - warmUp) % repeatEvery > 0) continue;
    for (const { name, answer } of await serveByEach(fixed, again, { first: turn, maxTokens }))
      repeated.get(name)?.push(toOutcome(answer.trace, again.problem));
  }
  progress.end();
  return { outcomes, repeated, identical };
}

function listByName<T>(contestants: readonly Contestant[]): Map<string, T[]> {
  return new Map(contestants.map(({ name }) => [name, []]));
}

interface Served {
  /** The contestant's. */
  readonly name: string;
  readonly answer: Answer;
}

async function serveByEach(
  contestants: readonly Contestant[],
  { prompt }: TrialPrompt,
  { first, maxTokens }: { readonly first: number; readonly maxTokens: number },
): Promise<Served[]> {
  const start = first % contestants.length;
  const served: Served[] = [];
  for (const contestant of [...contestants.slice(start), ...contestants.slice(0, start)]) {
    served.push({ name: contestant.name, answer: await serve(contestant, prompt, maxTokens) });
    await untilStarted(contestant.system.platform);
  }
  return served;
}

function serve({ system }: Contestant, prompt: TrialPrompt["prompt"], maxTokens: number): Promise<Answer> {
  const options = { prompt, maxTokens, stop: [], sampling: GREEDY, onText: () => {} };
  return answerPrompt(system.pipeline, options, new AbortController().signal);
}

/** Starts in the background fall between requests: they would slow down the one who is next, who has nothing to do with them. */
async function untilStarted(platform: Platform): Promise<void> {
  do await sleep(STARTS_MS);
  while (platform.list().some(({ state }) => state === "starting"));
}

/** What was expected of a plan for all requests is worked out as it is for plans of Remoe's, which say it themselves. */
function toOutcome(trace: RequestTrace, problem: PlanningProblem): PredictedOutcome {
  const { plan, planning } = trace;
  if (plan === null) throw new Error("a request without a plan has no cost to predict");
  const isCold = hadColdStart(trace);
  const { outputTokens } = problem.workload;
  const expect = (tokens: number): Evaluation =>
    evaluate(
      { ...problem, isCold, workload: { ...problem.workload, outputTokens: tokens } },
      { plan, devices: splitDevices(problem.profile) },
    );
  const expected = expect(outputTokens);
  const { ttftMs, tpotMs, predictMs, planMs } = trace.timings;
  const verdict = judgeSlo(problem.slo, trace.timings);
  return {
    cost: costOf(trace),
    ttftMs,
    tpotMs,
    isFeasible: planning?.feasible ?? expected.violations.length === 0,
    isMet: verdict?.ttftMet !== false && verdict?.tpotMet !== false,
    ...sizeOf(plan),
    isCold,
    predicted: planning?.predicted ?? expected,
    costOfLength: expect(Math.max(0, trace.completionTokens - 1)).cost,
    calculateMs: predictMs + planMs,
  };
}

/** Keep-alive depends on how long a benchmark lets a function wait. */
function costOf({ bill }: RequestTrace): number {
  return bill.items.reduce((sum, { phase, cost }) => (phase === "keep-alive" ? sum : sum + cost), 0);
}
