import type { TokenLogprob } from "../model/logprobs.ts";
import type { Sampling } from "../model/sampling.ts";
import type { RemoteExperts } from "./runtime.ts";

export interface GenerationRequest {
  /** At least one token; all of them are prefilled. */
  readonly promptTokens: readonly number[];
  /**
   * Tokens of this answer that were generated before, by an engine that is gone: they are computed again as if they had
   * just been chosen, and not reported. What follows is what the other engine would have generated, bit for bit.
   */
  readonly replayTokens: readonly number[];
  /** Upper bound of generated tokens, replayed ones included; the context may end earlier (finish reason `length`). */
  readonly maxTokens: number;
  readonly sampling: Sampling;
  /** A generated token of this list ends the generation and is not reported. */
  readonly stopTokens: readonly number[];
  /** Report each token's log probability and this many alternatives; `null` reports neither. */
  readonly topLogprobs: number | null;
  /**
   * Most prompt tokens, and most generated ones, whose chosen experts are reported one by one. More than 0 also makes
   * the last layer's counts cover every prompt token, which costs its attention and gate for tokens nobody asks about.
   */
  readonly traceTokens: number;
}

/** What goes with a generation while it runs. */
export interface GenerationControl {
  /** Aborting it makes the generation throw its reason, at the next token or prefill batch. */
  readonly signal: AbortSignal;
  /** Aborting it ends the generation there with a `done` event that counts everything up to then. */
  readonly finish?: AbortSignal | undefined;
  /** Computes the experts the engine does not hold. */
  readonly remote?: RemoteExperts | undefined;
}

export interface GenerationToken {
  readonly type: "token";
  readonly token: number;
  readonly logprob: number | null;
  /** Most probable first; empty unless `topLogprobs` asked for some. */
  readonly top: readonly TokenLogprob[];
}

/** `[layer][expert]`: how many (token, expert) pairs the gate routed there. */
export type ActivationCounts = readonly (readonly number[])[];

export interface Activations {
  readonly prefill: ActivationCounts;
  readonly decode: ActivationCounts;
}

/** What the gates chose for some tokens of a request. */
export interface RoutingSample {
  /** The tokens, in the order of the sequence. */
  readonly tokens: Uint32Array;
  /** The k experts of each token in each layer, most probable first: [tokens × layers × k] */
  readonly experts: Uint16Array;
}

/** Of at most `traceTokens` tokens each: the prompt's spread evenly over it, and the first that decode computed. */
export interface RoutingSamples {
  readonly prefill: RoutingSample;
  readonly decode: RoutingSample;
}

/** Routed (token, expert) rows computed in this function / in others, and calls made to those. */
export interface ExpertTraffic {
  readonly localRows: number;
  readonly remoteRows: number;
  readonly remoteCalls: number;
}

/** Why a generation ended: a stop token, its limit, or because it was asked to finish. */
export type FinishReason = "stop" | "length" | "cancelled";

export interface GenerationDone {
  readonly type: "done";
  readonly finishReason: FinishReason;
  /** Replayed tokens included. */
  readonly completionTokens: number;
  readonly timings: {
    readonly prefillMs: number;
    readonly decodeMs: number;
    /** Its share of the function's time: those of all generations sum to the time in which there was any. */
    readonly busyMs: number;
  };
  readonly experts: ExpertTraffic;
  /** Of the last layer, without tracing: in prefill of the last token only, whose experts alone are computed there. */
  readonly activations: Activations;
  readonly samples: RoutingSamples;
}

/** A generation is `token*` and then one `done`. Errors are thrown. */
export type GenerationEvent = GenerationToken | GenerationDone;
