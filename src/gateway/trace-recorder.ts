import type { ErrorCode } from "../core/errors.ts";
import type { DoneEvent, FaultCounts } from "../functions/protocol.ts";
import { billRequest } from "../ledger/bill.ts";
import type { PriceBook } from "../ledger/price-book.ts";
import type { AcquiredFunctions } from "./acquired-functions.ts";
import type { PredictionOutcome } from "./learning.ts";
import type { PlanChoice } from "./plan-choice.ts";
import type { RequestOutcome, RequestTimings, RequestTrace } from "./trace.ts";

export interface TraceRecorderOptions {
  readonly requestId: string;
  readonly model: string;
  readonly priceBook: PriceBook;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  /** Called exactly once, when the trace ends. */
  readonly onTrace: (trace: RequestTrace) => void;
}

const NO_FAULTS: FaultCounts = { failedCalls: 0, hedgedCalls: 0, lostReplicas: 0, adoptedExperts: 0 };

interface Milestones {
  readonly arrived: number;
  accepted?: number;
  admitted?: number;
  predicted?: number;
  planned?: number;
  started?: number;
  firstToken?: TokenTimes;
  lastToken?: TokenTimes;
}

interface TokenTimes {
  readonly arrived: number;
  /** By the clock of the main function that made it, which begins with its generation. */
  readonly made: number;
}

/** Collects what happens to one request, from now until `end`. */
export class TraceRecorder {
  readonly #options: TraceRecorderOptions;
  readonly #at: Milestones;
  #promptTokens = 0;
  #completionTokens = 0;
  #choice: PlanChoice | null = null;
  #functions: AcquiredFunctions | null = null;
  #done: DoneEvent | null = null;
  #prediction: PredictionOutcome | null = null;
  #ended: RequestTrace | null = null;

  constructor(options: TraceRecorderOptions) {
    this.#options = options;
    this.#at = { arrived: options.clock() };
  }

  /** The prompt is valid and the request waits for a place. */
  accepted(promptTokens: number): void {
    this.#promptTokens = promptTokens;
    this.#at.accepted = this.#options.clock();
  }

  admitted(): void {
    this.#at.admitted = this.#options.clock();
  }

  /** The functions are there; a cold start belongs to the request that caused it. */
  started(functions: AcquiredFunctions): void {
    this.#functions = functions;
    this.#at.started = this.#options.clock();
  }

  /** A token is here that its main function made `atMs` after it began. */
  token(atMs: number): void {
    this.#completionTokens += 1;
    this.#at.lastToken = { arrived: this.#options.clock(), made: atMs };
    this.#at.firstToken ??= this.#at.lastToken;
  }

  /** What was predicted is known, if anything. */
  predicted(): void {
    this.#at.predicted = this.#options.clock();
  }

  /** Where its experts run is decided. */
  planned(choice: PlanChoice): void {
    this.#choice = choice;
    // A plan that was given took no time.
    if (choice.reasons !== null) this.#at.planned = this.#options.clock();
  }

  /** The main function's last word, if there was one. */
  get result(): DoneEvent | null {
    return this.#done;
  }

  get choice(): PlanChoice | null {
    return this.#choice;
  }

  learnt(prediction: PredictionOutcome): void {
    this.#prediction = prediction;
  }

  done(event: DoneEvent): void {
    this.#done = event;
  }

  /** Ends the trace; only the first call counts, later ones return the same record. */
  end(outcome: RequestOutcome, errorCode: ErrorCode | null = null): RequestTrace {
    if (this.#ended !== null) {
      return this.#ended;
    }
    const { requestId, model, priceBook, clock, onTrace } = this.#options;
    const observed = { at: this.#at, now: clock(), done: this.#done, completionTokens: this.#completionTokens };
    this.#ended = {
      requestId,
      model,
      promptTokens: this.#promptTokens,
      completionTokens: this.#completionTokens,
      finishReason: outcome,
      errorCode,
      timings: toTimings(observed),
      coldStart: this.#functions?.coldStart ?? null,
      experts: this.#done?.experts ?? null,
      activations: this.#done?.activations ?? null,
      prediction: this.#prediction,
      plan: this.#choice?.plan ?? null,
      planning: this.#choice?.reasons ?? null,
      faults: { ...(this.#done?.faults ?? NO_FAULTS), mainRestarts: this.#functions?.mainRestarts ?? 0 },
      peakMemoryMb: this.#done?.peakMemoryMb ?? null,
      bill: billRequest(this.#functions?.usage() ?? [], priceBook),
    };
    onTrace(this.#ended);
    return this.#ended;
  }
}

interface Observed {
  readonly at: Milestones;
  readonly now: number;
  readonly done: DoneEvent | null;
  readonly completionTokens: number;
}

function toTimings({ at, now, done, completionTokens }: Observed): RequestTimings {
  /** A step that never began took no time; one that never ended lasted until now. */
  const span = (from: number | undefined, to: number | undefined) =>
    from === undefined ? 0 : toWholeMicroseconds((to ?? now) - from);
  const firstToken = at.firstToken?.arrived;
  const tokensMs = decodeSpan(at);
  return {
    queueMs: toWholeMicroseconds(span(at.accepted, at.admitted) + (done?.timings.queueMs ?? 0)),
    predictMs: at.predicted === undefined ? 0 : span(at.admitted, at.predicted),
    planMs: at.planned === undefined ? 0 : span(at.predicted ?? at.admitted, at.planned),
    coldStartMs: span(at.planned ?? at.predicted ?? at.admitted, at.started),
    prefillMs: done === null ? span(at.started, firstToken) : toWholeMicroseconds(done.timings.prefillMs),
    decodeMs: done === null ? toWholeMicroseconds(tokensMs) : toWholeMicroseconds(done.timings.decodeMs),
    ttftMs: firstToken === undefined ? null : span(at.arrived, firstToken),
    tpotMs: completionTokens < 2 ? null : toWholeMicroseconds(tokensMs / (completionTokens - 1)),
    totalMs: span(at.arrived, now),
  };
}

/**
 * From the first token to the last, as they arrived or as they were made, whichever took longer: tokens that arrive in one
 * read were not made in no time, and tokens that are held up on their way are late. A main function that takes over a lost
 * one's answer counts from its own beginning, after the first arrival: then arrivals are further apart.
 */
function decodeSpan({ firstToken, lastToken }: Milestones): number {
  if (firstToken === undefined || lastToken === undefined) return 0;
  return Math.max(lastToken.arrived - firstToken.arrived, lastToken.made - firstToken.made);
}

/** Milliseconds to three decimals: clocks are no better, and records stay readable. */
function toWholeMicroseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
