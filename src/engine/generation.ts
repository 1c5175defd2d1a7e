import type { TokenLogprob } from "../model/logprobs.ts";
import type { Sampling } from "../model/sampling.ts";

export interface GenerationRequest {
  /** At least one token; all of them are prefilled. */
  readonly promptTokens: readonly number[];
  /** Upper bound of generated tokens; the context may end earlier (finish reason `length`). */
  readonly maxTokens: number;
  readonly sampling: Sampling;
  /** A generated token of this list ends the generation and is not reported. */
  readonly stopTokens: readonly number[];
  /** Report each token's log probability and this many alternatives; `null` reports neither. */
  readonly topLogprobs: number | null;
}

export interface TokenEvent {
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

/** Routed (token, expert) rows computed in this function / in others, and calls made to those. */
export interface ExpertTraffic {
  readonly localRows: number;
  readonly remoteRows: number;
  readonly remoteCalls: number;
}

export interface GenerationDone {
  readonly type: "done";
  readonly finishReason: "stop" | "length";
  readonly completionTokens: number;
  readonly timings: { readonly prefillMs: number; readonly decodeMs: number };
  readonly experts: ExpertTraffic;
  readonly activations: Activations;
}

/** A generation is `token*` and then one `done`. Errors are thrown. */
export type GenerationEvent = TokenEvent | GenerationDone;
