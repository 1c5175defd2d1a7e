import { loadavg } from "node:os";
import { type Answer, answerPrompt } from "../src/cli/answer-prompt.ts";
import { bundledModel } from "../src/cli/bundled-model.ts";
import { type System, startSystem } from "../src/cli/system.ts";
import { median, type Spread, spread } from "../src/core/stats.ts";
import type { RequestTrace } from "../src/gateway/trace.ts";
import { readGguf } from "../src/gguf/read.ts";
import { readTransformer } from "../src/model/registry.ts";
import { GREEDY } from "../src/model/sampling.ts";
import type { Plan } from "../src/planner/plan.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { predictDecode, profileExperts } from "./split-prediction.ts";
import { benchWire } from "./wire.ts";

/**
 * Decode with a share of the experts in functions of their own, one thread in the main function and one in each of the
 * others, against one function with two threads (the same processors) and with one; the three systems take turns.
 */
export interface SplitBenchOptions {
  readonly model?: string | undefined;
  /** Share of every layer's experts that is remote. */
  readonly ratio: number;
  readonly expertFunctions?: number | undefined;
  /** Of an answer. */
  readonly tokens: number;
  readonly rounds: number;
}

/** What is compared: names of systems. */
export type Side = "local" | "oneThread" | "split";

export interface SplitBenchmark {
  readonly schemaVersion: 1;
  readonly machine: Machine;
  readonly model: string;
  readonly date: string;
  /** Load average of the last minute, before and after. */
  readonly load: readonly [number, number];
  readonly ratio: number;
  readonly tokens: number;
  readonly rounds: number;
  readonly functions: FunctionSizes;
  /** Decode, milliseconds a token, by side. `local`: two threads; `oneThread`: one; both in one function. */
  readonly tokenMs: Readonly<Record<Side, Spread>>;
  /** Layers of a token that have remote rows; one call each. */
  readonly remoteLayersPerToken: number;
  /** Of decode's rows. */
  readonly remoteShare: number;
  /** (split − other) / layers with remote rows, in microseconds, round by round. */
  readonly overheadUs: { readonly overLocal: Spread; readonly overOneThread: Spread };
  /** The same by the latency formula. */
  readonly predicted: {
    readonly expertUs: readonly number[];
    readonly emptyCallUs: number;
    readonly hiddenStateUs: number;
    readonly tokenMs: number;
    readonly overLocalUs: number;
    readonly overOneThreadUs: number;
  };
  /** Whether all sides generated the same tokens. */
  readonly identical: boolean;
}

interface FunctionSizes {
  readonly localMb: number;
  readonly oneThreadMb: number;
  readonly splitMainMb: number;
  /** Of each expert function; every full or begun GiB brings a thread. */
  readonly expertMb: readonly number[];
}

const PROMPT = "def main(";
const CONTEXT = 1024;
const WIRE_ROUNDS = 10;
/** By then V8 has compiled what runs in every call. */
const WARM_UP_ROUNDS = 4;
const STOP_MS = 2000;

export async function benchSplit(options: SplitBenchOptions): Promise<SplitBenchmark> {
  const model = options.model ?? bundledModel();
  const before = loadavg()[0] ?? 0;
  const expertUs = await profileExperts(model);
  const wire = await benchWire({ rounds: WIRE_ROUNDS });
  const { functions, turns, prefillCalls } = await runSides(options);
  const summary = summarise(turns, prefillCalls);
  const file = readGguf(model);
  const { hidden } = readTransformer(file).hyper;
  const transfer = {
    expertUs,
    emptyCallUs: wire.empty.p50Us,
    hiddenStateUs: (hidden * Float32Array.BYTES_PER_ELEMENT) / wire.batch.mbPerS,
  };
  return {
    schemaVersion: 1,
    machine: describeMachine(),
    model: file.metadata.stringOr("general.name", model),
    date: new Date().toISOString().slice(0, 10),
    load: [before, loadavg()[0] ?? 0],
    ratio: options.ratio,
    tokens: options.tokens,
    rounds: options.rounds,
    functions,
    ...summary,
    predicted: predict(summary, transfer),
  };
}

type Summary = ReturnType<typeof summarise>;
type Turn = Readonly<Record<Side, Answer>>;
type Systems = Readonly<Record<Side, System>>;
const SIDES: readonly Side[] = ["local", "oneThread", "split"];

interface SideRuns {
  readonly functions: FunctionSizes;
  readonly turns: readonly Turn[];
  /** Remote calls before the first token. */
  readonly prefillCalls: number;
}

async function runSides(options: SplitBenchOptions): Promise<SideRuns> {
  await using systems = await startSides(options);
  const { local, oneThread, split } = systems;
  const turns: Turn[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + options.rounds; round++) {
    const turn = await takeTurn(systems, round, options.tokens);
    if (round >= WARM_UP_ROUNDS) turns.push(turn);
  }
  const prefillOnly = await answer(split, 1);
  const experts = new Map((split.plan as Plan).layers.map((layer) => [layer.function, layer.memoryMb]));
  const mainMb = ({ plan }: System): number => (plan as Plan).specMain.memoryMb;
  return {
    functions: {
      localMb: mainMb(local),
      oneThreadMb: mainMb(oneThread),
      splitMainMb: mainMb(split),
      expertMb: [...experts.values()],
    },
    turns,
    prefillCalls: callsOf(prefillOnly.trace),
  };
}

async function startSides({ model, ratio, expertFunctions }: SplitBenchOptions): Promise<Systems & AsyncDisposable> {
  const started: System[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((system) => system.stop(STOP_MS)));
  };
  const start = async (threads: number, remoteRatio: number): Promise<System> => {
    const plan = { remoteRatio, expertFunctions };
    const system = await startSystem({ model, threads, plan, contextLength: CONTEXT });
    started.push(system);
    return system;
  };
  try {
    const systems = { local: await start(2, 0), oneThread: await start(1, 0), split: await start(1, ratio) };
    return { ...systems, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Every side once, another one first each time. */
async function takeTurn(systems: Systems, round: number, tokens: number): Promise<Turn> {
  const first = round % SIDES.length;
  const answers: Partial<Record<Side, Answer>> = {};
  for (const side of [...SIDES.slice(first), ...SIDES.slice(0, first)]) {
    answers[side] = await answer(systems[side], tokens);
  }
  return answers as Turn;
}

function answer({ pipeline }: System, maxTokens: number): Promise<Answer> {
  const prompt = { type: "text", text: PROMPT } as const;
  const options = { prompt, maxTokens, stop: [], sampling: GREEDY, onText: () => {} };
  return answerPrompt(pipeline, options, new AbortController().signal);
}

function summarise(turns: readonly Turn[], prefillCalls: number) {
  const splits = turns.map(({ split }) => split.trace);
  const remoteLayersPerToken = median(splits.map((trace) => (callsOf(trace) - prefillCalls) / decodedTokens(trace)));
  const times = (side: Side): number[] => turns.map((turn) => tokenMs(turn[side].trace));
  const [local, oneThread, split] = [times("local"), times("oneThread"), times("split")];
  const overhead = (others: readonly number[]): Spread =>
    spread(split.map((ms, round) => (1e3 * (ms - (others[round] as number))) / remoteLayersPerToken));
  return {
    tokenMs: { local: spread(local), oneThread: spread(oneThread), split: spread(split) },
    remoteLayersPerToken,
    remoteShare: median(splits.map(remoteShareOf)),
    overheadUs: { overLocal: overhead(local), overOneThread: overhead(oneThread) },
    identical: turns.every(
      ({ local: a, oneThread: b, split: c }) => `${a.tokens}` === `${b.tokens}` && `${a.tokens}` === `${c.tokens}`,
    ),
  };
}

function predict(
  { tokenMs: { local, oneThread }, remoteLayersPerToken, remoteShare }: Summary,
  transfer: Pick<SplitBenchmark["predicted"], "expertUs" | "emptyCallUs" | "hiddenStateUs">,
): SplitBenchmark["predicted"] {
  const tokenMs = predictDecode({
    oneThreadMs: oneThread.median,
    remoteLayers: remoteLayersPerToken,
    remoteShare,
    ...transfer,
  });
  const overUs = (ms: number): number => (1e3 * (tokenMs - ms)) / remoteLayersPerToken;
  return { ...transfer, tokenMs, overLocalUs: overUs(local.median), overOneThreadUs: overUs(oneThread.median) };
}

/** Passes after the prefill, which made the first token. */
function decodedTokens({ completionTokens }: RequestTrace): number {
  return completionTokens - 1;
}

function tokenMs(trace: RequestTrace): number {
  return trace.timings.decodeMs / decodedTokens(trace);
}

function callsOf({ experts }: RequestTrace): number {
  return experts?.remoteCalls ?? 0;
}

function remoteShareOf({ activations, plan }: RequestTrace): number {
  let [rows, remoteRows] = [0, 0];
  for (const [layer, counts] of (activations?.decode ?? []).entries()) {
    const remote = plan?.layers.find((planned) => planned.layer === layer)?.remote ?? [];
    for (const [expert, count] of counts.entries()) {
      rows += count;
      if (remote.includes(expert)) remoteRows += count;
    }
  }
  return remoteRows / rows;
}
