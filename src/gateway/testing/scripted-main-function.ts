import type { DoneEvent, GenerateRequest, MainFunction, TokenEvent } from "../../functions/protocol.ts";
import { unlessAborted } from "../unless-aborted.ts";
import { bytesOf } from "./byte-tokenizer.ts";
import { createGate } from "./gate.ts";

export interface Script {
  /** What it answers to everything, a token a byte. */
  readonly answer: string;
  /** Awaited before the token of this position. */
  readonly beforeToken?: (position: number) => Promise<void>;
  /** Thrown after the answer instead of a result. */
  readonly failure?: Error;
}

/** A main function that plays a script instead of computing, and remembers what it was asked. */
export interface ScriptedMainFunction extends MainFunction {
  readonly requests: readonly GenerateRequest[];
  /** Generations in progress. */
  readonly running: number;
  /** Opens when a generation was stopped by its signal. */
  readonly aborted: Promise<void>;
}

const ROWS_PER_TOKEN = 2;

export function createScriptedMainFunction({ answer, beforeToken, failure }: Script): ScriptedMainFunction {
  const requests: GenerateRequest[] = [];
  const aborted = createGate();
  let running = 0;

  async function* generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<TokenEvent | DoneEvent> {
    requests.push(request);
    running += 1;
    let finished = false;
    const tokens = bytesOf(answer);
    const generated = tokens.slice(0, request.maxTokens);
    try {
      for (const [position, token] of generated.entries()) {
        await unlessAborted(beforeToken?.(position) ?? Promise.resolve(), signal);
        yield toTokenEvent(token, request.topLogprobs);
      }
      if (failure !== undefined) {
        throw failure;
      }
      finished = true;
      yield toDoneEvent(generated.length, generated.length < tokens.length ? "length" : "stop");
    } finally {
      running -= 1;
      if (signal.aborted && !finished) {
        aborted.open();
      }
    }
  }

  return {
    coldStart: { processMs: 40, librariesMs: 60, weightsMs: 900, totalMs: 1000 },
    requests,
    get running() {
      return running;
    },
    aborted: aborted.opened,
    generate,
    stop: async () => {},
  };
}

function toTokenEvent(token: number, topLogprobs: number | null): TokenEvent {
  const alternatives = Array.from({ length: topLogprobs ?? 0 }, (_, rank) => ({
    token: (token + rank) % 256,
    logprob: -0.5 - rank,
  }));
  return { type: "token", token, logprob: topLogprobs === null ? null : -0.5, top: alternatives };
}

function toDoneEvent(completionTokens: number, finishReason: DoneEvent["finishReason"]): DoneEvent {
  return {
    type: "done",
    finishReason,
    completionTokens,
    timings: { queueMs: 1, prefillMs: 20, decodeMs: 30 },
    experts: { localRows: completionTokens * ROWS_PER_TOKEN, remoteRows: completionTokens, remoteCalls: 1 },
    activations: { prefill: [[1, 1]], decode: [[completionTokens, completionTokens]] },
  };
}
