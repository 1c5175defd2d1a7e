import { createRandom } from "../core/random.ts";
import { median } from "../core/stats.ts";
import type { Effort } from "./effort.ts";
import type { ForeignLoad } from "./foreign-load.ts";
import type { BenchExperts, BenchMain, FunctionBench, Outcome } from "./function-bench.ts";
import { repeat } from "./repeat.ts";

export interface MainRunOptions {
  readonly bench: FunctionBench;
  readonly effort: Effort;
  /** Number of tokens there are to choose prompts from. */
  readonly vocabulary: number;
  readonly foreignLoad: ForeignLoad;
  readonly clock: () => number;
}

/** Equal requests to one main function. */
export interface Requests {
  readonly vcpus: number;
  readonly promptTokens: number;
  readonly outcomes: readonly Outcome[];
}

export interface MainRuns {
  /** Of one token, by length of the prompt. */
  readonly prefills: readonly Requests[];
  /** Of a whole answer. */
  readonly decodes: Requests;
}

/** Before, calls take two to three times as long: the virtual machine compiles what runs often. */
const WARM_UP_CALLS = 1_600;
/** Longer prompts are left away when one took this long. */
const LONG_PREFILL_MS = 3_000;
/** Lengths that tell a prompt's time from a token's. */
const LEAST_LENGTHS = 2;
/**
 * Requests do not come back to back: a function that used up its share of a processor gets the next one meanwhile, and on
 * shared hosts whoever comes back from idling is given a slower processor (measured: a token 0.32 ms back to back, 0.39
 * after 30 ms, 0.50 after 100 ms and more).
 */
const IDLE_MS = 100;

/** Requests to a main function, warm, with prompts of several lengths and for a whole answer. */
export async function measureMain(
  main: BenchMain,
  experts: readonly BenchExperts[],
  options: MainRunOptions,
): Promise<MainRuns> {
  const { effort, bench, vocabulary, foreignLoad, clock } = options;
  const request = (promptTokens: number, maxTokens: number) => {
    const prompt = { promptTokens: promptOf(promptTokens, vocabulary), maxTokens };
    return bench.generate(main, prompt, experts);
  };
  const measure = async (promptTokens: number, maxTokens: number): Promise<Requests> => {
    const once = async (): Promise<Outcome> => {
      await foreignLoad.pause(IDLE_MS);
      return request(promptTokens, maxTokens);
    };
    return { vcpus: main.vcpus, promptTokens, outcomes: await repeat(once, effort, clock) };
  };
  const [shortest = 1] = effort.promptLengths;
  const tokenMs = await warmUp(() => request(shortest, effort.outputTokens), options);
  const decodes = await measure(shortest, answerTokens(effort, tokenMs));
  const prefills: Requests[] = [];
  for (const length of effort.promptLengths) {
    prefills.push(await measure(length, 1));
    if (prefills.length >= LEAST_LENGTHS && prefillMs(prefills.at(-1)) > LONG_PREFILL_MS) break;
  }
  return { prefills, decodes };
}

/** Answers are so long at least that a function with a small share of a processor uses it up, again and again. */
const LEAST_ANSWER_MS = 100;

function answerTokens({ outputTokens, mostOutputTokens }: Effort, tokenMs: number): number {
  return Math.min(mostOutputTokens, Math.max(outputTokens, Math.ceil(LEAST_ANSWER_MS / tokenMs)));
}

/** → time of a token, warm */
async function warmUp(request: () => Promise<Outcome>, { effort, clock }: MainRunOptions): Promise<number> {
  const began = clock();
  let tokenMs = Number.POSITIVE_INFINITY;
  for (let calls = 0; calls < WARM_UP_CALLS && clock() - began < effort.warmUpMs; ) {
    const { done } = await request();
    calls += Math.max(done.experts.remoteCalls, done.completionTokens);
    tokenMs = done.timings.decodeMs / done.completionTokens;
  }
  return tokenMs;
}

function prefillMs(requests: Requests | undefined): number {
  return median((requests?.outcomes ?? []).map(({ done }) => done.timings.prefillMs));
}

/** Tokens at random, the same each time: gates spread them over many experts. */
function promptOf(length: number, vocabulary: number): number[] {
  const random = createRandom(length);
  return Array.from({ length }, () => Math.floor(random() * vocabulary));
}
