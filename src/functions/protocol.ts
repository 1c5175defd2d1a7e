import type { SerialisedError } from "../core/errors.ts";
import type { GenerationDone, GenerationRequest, TokenEvent } from "../engine/generation.ts";
import type { StartTimes } from "./spec.ts";

export type { TokenEvent } from "../engine/generation.ts";
export type { TokenLogprob } from "../model/logprobs.ts";

/**
 * What the gateway and a main function say to each other: HTTP, tokens in, one JSON object a line out.
 * Text stays in the gateway, which holds the vocabulary; the main function knows token ids only.
 */
export interface GenerateRequest extends GenerationRequest {
  readonly requestId: string;
}

export interface DoneEvent extends GenerationDone {
  readonly timings: GenerationDone["timings"] & {
    /** Waited in the main function for earlier requests. */
    readonly queueMs: number;
  };
}

export interface ErrorEvent {
  readonly type: "error";
  readonly error: SerialisedError;
}

/** A generation is `token*` and then exactly one of `done` and `error`. */
export type GenerateEvent = TokenEvent | DoneEvent | ErrorEvent;

/** A started main function, as the gateway sees it. Errors are thrown, never yielded. */
export interface MainFunction {
  readonly coldStart: ColdStart;
  /**
   * Streams a generation. Aborting the signal stops the computation at the next token or prefill batch.
   * @throws FUNCTION_LOST when the process dies or the connection breaks
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<TokenEvent | DoneEvent>;
  /** Lets running generations end, then stops the process; after the deadline it is killed. */
  stop(deadlineMs: number): Promise<void>;
}

/** Where the time of a cold start went. */
export interface ColdStart extends StartTimes {
  /** Spawn to ready, as the gateway saw it. */
  readonly totalMs: number;
}
