import type { SerialisedError } from "../core/errors.ts";
import type { ExpertSelection } from "../engine/expert-bank.ts";
import type { GenerationDone, GenerationRequest, GenerationToken } from "../engine/generation.ts";
import type { Rounding } from "../ledger/meter.ts";

export type { RoutingSample } from "../engine/generation.ts";
export type { TokenLogprob } from "../model/logprobs.ts";

/**
 * What the gateway and a main function say to each other: HTTP, tokens in, one JSON object a line out.
 * Text stays in the gateway, which holds the vocabulary; the main function knows token ids only.
 */
export interface GenerateRequest extends GenerationRequest {
  /** Of no other generation, whatever clients call their requests. */
  readonly generationId: string;
  /** The functions that hold the experts this main function does not. */
  readonly functions: readonly RemoteFunction[];
  readonly rows: RowTransfer;
  /** How the platform rounds the time of an invocation. */
  readonly rounding: Rounding;
}

/**
 * What comes back from expert functions: every row in single precision, which leaves the output identical to the unsplit
 * model's; in half precision, which is half the bytes; or one sum a token, which is up to k times less.
 */
export type RowTransfer = "f32" | "f16" | "summed";

/** An expert function and the instances that serve it. */
export interface RemoteFunction {
  readonly name: string;
  readonly replicas: readonly RemoteReplica[];
}

export interface RemoteReplica {
  /** The platform's name of the instance. */
  readonly instanceId: string;
  /** `null` while it starts. */
  readonly endpoint: string | null;
  readonly experts: ExpertSelection;
}

/** `POST /replicas`: an instance that is ready now, in place of what stood there. */
export interface ReplicaReady {
  readonly generationId: string;
  readonly function: string;
  /** Index in the function's list. */
  readonly index: number;
  readonly replica: RemoteReplica;
}

/** `POST /finish`: the generation ends at its next token, with everything counted so far. */
export interface FinishRequest {
  readonly generationId: string;
}

/** What calls to one expert function came to in one request. */
export interface RemoteUsage {
  readonly function: string;
  /** Failed and duplicate ones included. */
  readonly invocations: number;
  readonly busyMs: number;
  readonly billedMs: number;
}

/** What went wrong with expert functions during a request, and what was done about it. */
export interface FaultCounts {
  /** Calls that failed or did not answer in time. */
  readonly failedCalls: number;
  /** Calls sent to a second replica because the first was slow. */
  readonly hedgedCalls: number;
  /** Instances given up, each reported to the gateway once. */
  readonly lostReplicas: number;
  /** Experts read from the model file into the main function because nobody else had them. */
  readonly adoptedExperts: number;
}

export interface TokenEvent extends GenerationToken {
  /** When it was made: milliseconds since the main function began with this request. */
  readonly atMs: number;
}

export interface DoneEvent extends GenerationDone {
  readonly timings: GenerationDone["timings"] & {
    /** Waited in the main function for earlier requests. */
    readonly queueMs: number;
  };
  readonly remote: readonly RemoteUsage[];
  readonly faults: FaultCounts;
  /** Most memory this process had so far, in MiB. */
  readonly peakMemoryMb: number;
}

/** An instance of an expert function does not answer any more; the gateway may send another with `POST /replicas`. */
export interface LostEvent {
  readonly type: "lost";
  readonly function: string;
  readonly index: number;
  readonly instanceId: string;
  readonly reason: string;
}

/** Now and then: what calls to expert functions have come to, for the bill of a main function that is lost. */
export interface UsageEvent {
  readonly type: "usage";
  readonly remote: readonly RemoteUsage[];
}

export interface ErrorEvent {
  readonly type: "error";
  readonly error: SerialisedError;
}

/** A generation is `token*` and then exactly one of `done` and `error`; `lost` and `usage` may come before that. */
export type GenerateEvent = TokenEvent | LostEvent | UsageEvent | DoneEvent | ErrorEvent;

/** A started main function, as the gateway sees it. Errors are thrown, never yielded. */
export interface MainFunction {
  /**
   * Streams a generation. Aborting the signal stops the computation at the next token or prefill batch.
   * @throws FUNCTION_LOST when the process dies or the connection breaks
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<Exclude<GenerateEvent, ErrorEvent>>;
  /** Asks a generation to end at its next token. Does nothing when it has ended. */
  finish(generationId: string): Promise<void>;
  /** Tells a generation where an expert function is now. */
  provide(ready: ReplicaReady): Promise<void>;
}
