import type { DoneEvent, TokenEvent } from "../../functions/protocol.ts";
import type { ColdStart } from "../../functions/spec.ts";
import { NO_SAMPLES } from "../../functions/testing/no-samples.ts";
import { functionUsage } from "../../ledger/testing/function-usage.ts";
import type { FunctionUsage } from "../../ledger/usage.ts";
import type { AcquiredFunctions, Generation } from "../acquired-functions.ts";
import { unlessAborted } from "../unless-aborted.ts";
import { bytesOf } from "./byte-tokenizer.ts";
import { createGate } from "./gate.ts";

export interface Script {
  /** What they answer to everything, a token a byte. */
  readonly answer: string;
  /** Awaited before the token of this position; being asked to finish ends the wait. */
  readonly beforeToken?: (position: number) => Promise<void>;
  /** Thrown after the answer instead of a result. */
  readonly failure?: Error;
  /** Go on when they are asked to finish. Defaults to false. */
  readonly deaf?: boolean;
}

/** The functions of a model, playing a script instead of computing, and what they were asked. The first request is cold. */
export interface ScriptedFunctions {
  acquire(): Promise<AcquiredFunctions>;
  readonly requests: readonly Generation[];
  /** Generations in progress. */
  readonly running: number;
  /** Requests that acquired the functions, and calls of `release` by each. */
  readonly releases: readonly number[];
  /** Opens when a generation ended because it was asked to. */
  readonly finished: Promise<void>;
  /** Opens when a generation was cut off by its signal. */
  readonly aborted: Promise<void>;
}

export const COLD_START: ColdStart = { processMs: 40, librariesMs: 60, weightsMs: 900, totalMs: 1000 };

const ROWS_PER_TOKEN = 2;

export function createScriptedFunctions(script: Script): ScriptedFunctions {
  const requests: Generation[] = [];
  const releases: number[] = [];
  const [finished, aborted] = [createGate(), createGate()];
  let running = 0;

  function acquire(index: number): AcquiredFunctions {
    const coldStart = index === 0 ? COLD_START : null;
    const asked = new AbortController();
    let done: DoneEvent | null = null;
    return {
      coldStart,
      mainRestarts: 0,
      async *generate(generation, signal) {
        requests.push(generation);
        running += 1;
        try {
          for await (const event of play(script, generation, { asked: asked.signal, signal })) {
            if (event.type === "done") done = event;
            yield event;
          }
        } finally {
          running -= 1;
          if (done?.finishReason === "cancelled") finished.open();
          if (done === null && signal.aborted) aborted.open();
        }
      },
      finish: () => {
        if (script.deaf !== true) asked.abort();
      },
      usage: () => toUsage(done, coldStart),
      release: () => {
        releases[index] = (releases[index] ?? 0) + 1;
      },
      putBack() {},
    };
  }

  return {
    requests,
    releases,
    get running() {
      return running;
    },
    finished: finished.opened,
    aborted: aborted.opened,
    acquire: async () => acquire(releases.push(0) - 1),
  };
}

interface Ending {
  /** Aborts when the generation is asked to finish. */
  readonly asked: AbortSignal;
  readonly signal: AbortSignal;
}

async function* play(
  { answer, beforeToken, failure }: Script,
  { maxTokens, topLogprobs }: Generation,
  { asked, signal }: Ending,
): AsyncGenerator<TokenEvent | DoneEvent, void, void> {
  const tokens = bytesOf(answer);
  const generated = tokens.slice(0, maxTokens);
  const stopped = untilAborted(asked);
  for (const [position, token] of generated.entries()) {
    const allowed = beforeToken?.(position) ?? Promise.resolve();
    await unlessAborted(Promise.race([allowed, stopped]), signal);
    if (asked.aborted) return yield toDoneEvent(position, "cancelled");
    yield toTokenEvent(token, topLogprobs, position);
  }
  if (failure !== undefined) throw failure;
  yield toDoneEvent(generated.length, generated.length < tokens.length ? "length" : "stop");
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function toTokenEvent(token: number, topLogprobs: number | null, atMs: number): TokenEvent {
  const alternatives = Array.from({ length: topLogprobs ?? 0 }, (_, rank) => ({
    token: (token + rank) % 256,
    logprob: -0.5 - rank,
  }));
  return { type: "token", token, logprob: topLogprobs === null ? null : -0.5, top: alternatives, atMs };
}

/** What a main function says at the end. */
export function toDoneEvent(completionTokens: number, finishReason: DoneEvent["finishReason"]): DoneEvent {
  return {
    type: "done",
    finishReason,
    completionTokens,
    timings: { queueMs: 1, prefillMs: 20, decodeMs: 30, busyMs: 50 },
    experts: { localRows: completionTokens * ROWS_PER_TOKEN, remoteRows: completionTokens, remoteCalls: 1 },
    activations: { prefill: [[1, 1]], decode: [[completionTokens, completionTokens]] },
    samples: NO_SAMPLES,
    remote: [{ function: "experts-0", invocations: 1, busyMs: 10, billedMs: 10 }],
    faults: { failedCalls: 0, hedgedCalls: 0, lostReplicas: 0, adoptedExperts: 0 },
    peakMemoryMb: 100,
  };
}

function toUsage(done: DoneEvent | null, coldStart: ColdStart | null): readonly FunctionUsage[] {
  const busy = done === null ? {} : { invocations: 1, busyMs: 50, billedMs: 50 };
  const main = functionUsage({ ...busy, coldStartMs: coldStart?.totalMs ?? 0 });
  const remote = done?.remote.map((used) => functionUsage({ role: "experts", memoryMb: 512, vcpus: 0.5, ...used }));
  return [main, ...(remote ?? [])];
}
