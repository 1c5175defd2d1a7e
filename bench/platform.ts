import { loadavg } from "node:os";
import { type Answer, answerPrompt } from "../src/cli/answer-prompt.ts";
import type { PlatformName } from "../src/cli/create-named-platform.ts";
import { type System, type SystemOptions, startSystem } from "../src/cli/system.ts";
import { type Spread, spread } from "../src/core/stats.ts";
import type { ColdStart } from "../src/functions/spec.ts";
import type { Prompt } from "../src/gateway/prompt.ts";
import { GREEDY } from "../src/model/sampling.ts";
import { describeMachine, type Machine } from "./machine.ts";

/**
 * The same functions with the same memory and processors on a platform and as local processes: what a start takes and
 * where that time goes, and what a request on warm functions takes besides computing; both take turns.
 */
export interface PlatformBenchOptions {
  readonly platform: PlatformName;
  readonly kubernetesSettings?: string | undefined;
  /** Path or URL. Defaults to the bundled tiny-moe. */
  readonly model?: string | undefined;
  /** Of the main function, in MiB. */
  readonly memoryMb?: number | undefined;
  readonly remoteRatio?: number | undefined;
  readonly expertMemoryMb?: number | undefined;
  readonly starts: number;
  /** Requests of each side. */
  readonly rounds: number;
  /** Of an answer. */
  readonly tokens: number;
}

export interface PlatformBenchmark {
  readonly schemaVersion: 1;
  readonly machine: Machine;
  readonly date: string;
  /** Load average of the last minute, before and after. */
  readonly load: readonly [number, number];
  readonly platform: PlatformName;
  readonly model: string;
  readonly tokens: number;
  readonly coldStart: Readonly<Record<Side, StartParts>>;
  readonly warm: Readonly<Record<Side, WarmTimes>>;
  /** Platform minus local, round by round, in milliseconds. */
  readonly overhead: { readonly ttftMs: Spread; readonly besidesComputingMs: Spread };
  /** Whether both sides generated the same tokens. */
  readonly identical: boolean;
}

export type Side = "platform" | "local";

/** Of a main function, in milliseconds. */
export interface StartParts {
  /** Asked for until a node was chosen, and from there until its container runs; pods only. */
  readonly scheduleMs: Spread | null;
  readonly containerMs: Spread | null;
  readonly processMs: Spread;
  readonly librariesMs: Spread;
  readonly weightsMs: Spread;
  readonly totalMs: Spread;
}

export interface WarmTimes {
  readonly ttftMs: Spread;
  readonly totalMs: Spread;
  /** Of a request, all but the time in which the main function worked on it. */
  readonly besidesComputingMs: Spread;
}

const SIDES: readonly Side[] = ["platform", "local"];
const PROMPT: Prompt = { type: "text", text: "Once upon a time" };
/** By then V8 has compiled what runs in every request. */
const WARM_UP_ROUNDS = 10;
const STOP_MS = 5_000;

export async function benchPlatform(options: PlatformBenchOptions): Promise<PlatformBenchmark> {
  const before = loadavg()[0] ?? 0;
  const starts = { platform: await timeStarts("platform", options), local: await timeStarts("local", options) };
  const systems = { platform: await start("platform", options), local: await start("local", options) };
  try {
    const turns = await takeTurns(systems, options);
    return {
      schemaVersion: 1,
      machine: describeMachine(),
      date: new Date().toISOString().slice(0, 10),
      load: [before, loadavg()[0] ?? 0],
      platform: options.platform,
      model: systems.platform.model.id,
      tokens: options.tokens,
      coldStart: { platform: toParts(starts.platform), local: toParts(starts.local) },
      ...summarise(turns),
    };
  } finally {
    await Promise.all(SIDES.map((side) => systems[side].stop(STOP_MS)));
  }
}

function start(side: Side, options: PlatformBenchOptions): Promise<System> {
  const { platform, kubernetesSettings, model, memoryMb, remoteRatio = 0, expertMemoryMb } = options;
  const plan: SystemOptions["plan"] = { memoryMb, remoteRatio, expertMemoryMb };
  const where = side === "local" ? {} : { platform, kubernetesSettings };
  return startSystem({ model, plan, ...where });
}

async function timeStarts(side: Side, options: PlatformBenchOptions): Promise<readonly ColdStart[]> {
  const starts: ColdStart[] = [];
  while (starts.length < options.starts) {
    const system = await start(side, options);
    const { trace } = await ask(system, 1);
    await system.stop(STOP_MS);
    if (trace.coldStart !== null) starts.push(trace.coldStart);
  }
  return starts;
}

type Turns = Readonly<Record<Side, readonly Answer[]>>;

function ask({ pipeline }: System, maxTokens: number): Promise<Answer> {
  const request = { prompt: PROMPT, maxTokens, stop: [], sampling: GREEDY, onText: () => {} };
  return answerPrompt(pipeline, request, new AbortController().signal);
}

async function takeTurns(
  systems: Readonly<Record<Side, System>>,
  { rounds, tokens }: PlatformBenchOptions,
): Promise<Turns> {
  const turns: Record<Side, Answer[]> = { platform: [], local: [] };
  for (let round = 0; round < WARM_UP_ROUNDS + rounds; round++) {
    for (const side of round % 2 === 0 ? SIDES : SIDES.toReversed()) {
      const turn = await ask(systems[side], tokens);
      if (round >= WARM_UP_ROUNDS) turns[side].push(turn);
    }
  }
  return turns;
}

function summarise(turns: Turns): Pick<PlatformBenchmark, "warm" | "overhead" | "identical"> {
  const differences = (of: (turn: Answer) => number): Spread =>
    spread(turns.platform.map((turn, round) => of(turn) - of(turns.local[round] as Answer)));
  const said = new Set(SIDES.flatMap((side) => turns[side].map(({ tokens }) => tokens.join())));
  return {
    warm: { platform: toWarmTimes(turns.platform), local: toWarmTimes(turns.local) },
    overhead: { ttftMs: differences(ttftOf), besidesComputingMs: differences(besidesComputing) },
    identical: said.size === 1,
  };
}

function toWarmTimes(turns: readonly Answer[]): WarmTimes {
  return {
    ttftMs: spread(turns.map(ttftOf)),
    totalMs: spread(turns.map(({ trace }) => trace.timings.totalMs)),
    besidesComputingMs: spread(turns.map(besidesComputing)),
  };
}

function ttftOf({ trace }: Answer): number {
  return trace.timings.ttftMs ?? Number.NaN;
}

function besidesComputing({ trace: { timings } }: Answer): number {
  return timings.totalMs - timings.prefillMs - timings.decodeMs;
}

function toParts(starts: readonly ColdStart[]): StartParts {
  const spreadOf = (of: (start: ColdStart) => number): Spread => spread(starts.map(of));
  const hasPod = starts.every(({ pod }) => pod !== undefined);
  return {
    scheduleMs: hasPod ? spreadOf(({ pod }) => pod?.scheduleMs ?? 0) : null,
    containerMs: hasPod ? spreadOf(({ pod }) => pod?.containerMs ?? 0) : null,
    processMs: spreadOf(({ processMs }) => processMs),
    librariesMs: spreadOf(({ librariesMs }) => librariesMs),
    weightsMs: spreadOf(({ weightsMs }) => weightsMs),
    totalMs: spreadOf(({ totalMs }) => totalMs),
  };
}
