import { isRemoeError, remoeError } from "../core/errors.ts";
import type { DoneEvent, TokenEvent } from "../functions/protocol.ts";
import type { PriceBook } from "../ledger/price-book.ts";
import type { Sampling } from "../model/sampling.ts";
import { createTextStream, type TextStream } from "../model/text-stream.ts";
import { validateSampling } from "../model/validate-sampling.ts";
import type { Plan } from "../planner/plan.ts";
import type { AcquiredFunctions, Generation } from "./acquired-functions.ts";
import { Admission } from "./admission.ts";
import type { Expectation, Learning } from "./learning.ts";
import type { PlanChooser, PlanQuery } from "./plan-choice.ts";
import { encodePrompt, type Prompt, type ServedModel } from "./prompt.ts";
import type { RequestTrace } from "./trace.ts";
import { TraceRecorder } from "./trace-recorder.ts";

export interface CompletionRequest {
  readonly requestId: string;
  readonly prompt: Prompt;
  /** Generated tokens; `null` means what is left of the context, which is the upper bound in any case. */
  readonly maxTokens: number | null;
  /** The answer ends before the first of these texts. */
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  /** Report log probabilities of each token and this many alternatives; `null` reports none. */
  readonly topLogprobs: number | null;
}

/** New text of the answer and the tokens that made it; every generated token is in exactly one delta. */
export interface DeltaEvent {
  readonly type: "delta";
  /** Whole characters only. Empty in a last delta whose tokens made no text, such as those of a stop string. */
  readonly text: string;
  readonly tokens: readonly TokenEvent[];
}

export type FinishReason = Exclude<DoneEvent["finishReason"], "cancelled">;

/** A completion is `accepted`, then `delta*`, then `end`. Errors are thrown. */
export type PipelineEvent =
  | { readonly type: "accepted"; readonly promptTokens: number }
  | DeltaEvent
  | { readonly type: "end"; readonly finishReason: FinishReason; readonly trace: RequestTrace };

/** A request's way through the gateway, for one model. */
export interface Pipeline {
  readonly model: ServedModel;
  /** What its bills are made with. */
  readonly priceBook: PriceBook;
  readonly admission: Admission;
  /**
   * Answers a request. The first event says that it was accepted; until then nothing waits or computes.
   * `onTrace` is called exactly once, however the request ends.
   * @throws before `accepted`: SAMPLING_INVALID, what {@link encodePrompt} throws, OVERLOADED, SHUTTING_DOWN
   * @throws after it: the main function's errors, and REQUEST_CANCELLED or the signal's own reason when it aborts
   */
  complete(
    request: CompletionRequest,
    signal: AbortSignal,
    onTrace?: (trace: RequestTrace) => void,
  ): AsyncGenerator<PipelineEvent, void, void>;
}

export interface PipelineOptions {
  readonly model: ServedModel;
  /** Says where a request's experts run. */
  readonly chooser: PlanChooser;
  readonly priceBook: PriceBook;
  /** The functions of a plan, warm or started for the request. */
  readonly acquire: (plan: Plan, signal: AbortSignal) => Promise<AcquiredFunctions>;
  /**
   * Says, before its plan is known, that a request may need functions to be started. → not expected any more. By default nobody
   * is told.
   */
  readonly expectStart?: () => () => void;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  /** Defaults to one request at a time and 64 waiting. */
  readonly admission?: Admission;
  /** Predicts activations and learns from them; by default nothing is predicted or kept. */
  readonly learning?: Learning | undefined;
}

export function createPipeline(options: PipelineOptions): Pipeline {
  const { model, chooser, priceBook, learning, clock, admission = new Admission({ clock }) } = options;
  const { expectStart = () => () => {} } = options;

  /** Predicts, plans and acquires. A cold start begins before the prediction, as far as it does not depend on the plan. */
  async function findFunctions(run: Run): Promise<FoundFunctions> {
    const began = clock();
    const stopExpecting = expectStart();
    try {
      const expectation = (await learning?.expect(run.request.requestId, run.promptTokens)) ?? null;
      if (expectation !== null) run.recorder.predicted();
      const choice = await chooser.choose(toPlanQuery(run, model, expectation), began);
      run.signal.throwIfAborted();
      run.recorder.planned(choice);
      return { expectation, functions: await options.acquire(choice.plan, run.signal) };
    } finally {
      stopExpecting();
    }
  }

  async function* answer(run: Run): AsyncGenerator<PipelineEvent, FinishReason, void> {
    const place = admission.enter(run.signal);
    try {
      yield { type: "accepted", promptTokens: run.promptTokens.length };
      await place.admitted;
      run.recorder.admitted();
      const { expectation, functions } = await findFunctions(run);
      run.recorder.started(functions);
      try {
        run.signal.throwIfAborted();
        return yield* generateText(functions, model, { ...run, traceTokens: learning?.traceTokens ?? 0 });
      } finally {
        functions.release();
        if (expectation !== null) learn(learning, expectation, run.recorder);
      }
    } finally {
      place.leave();
    }
  }

  return {
    model,
    priceBook,
    admission,
    async *complete(request, signal, onTrace = () => {}) {
      const recorder = new TraceRecorder({
        requestId: request.requestId,
        model: model.id,
        priceBook,
        clock,
        onTrace,
      });
      try {
        validateSampling(request.sampling, model.tokenizer.size);
        const promptTokens = encodePrompt(request.prompt, model);
        recorder.accepted(promptTokens.length);
        const finishReason = yield* answer({ request, promptTokens, signal, recorder });
        yield { type: "end", finishReason, trace: recorder.end(finishReason) };
      } catch (error) {
        throw endFailed(error, signal, recorder);
      } finally {
        // Not ended yet only when the consumer leaves early.
        const trace = recorder.end("cancelled");
        if (recorder.choice !== null) chooser.observe(recorder.choice, trace);
      }
    },
  };
}

/** One accepted request on its way. */
interface Run {
  readonly request: CompletionRequest;
  readonly promptTokens: readonly number[];
  readonly signal: AbortSignal;
  readonly recorder: TraceRecorder;
}

interface FoundFunctions {
  readonly functions: AcquiredFunctions;
  /** `null` where nothing is predicted. */
  readonly expectation: Expectation | null;
}

/** A request whose prompt ran through every layer is worth learning from, whether or not its answer came to an end. */
function learn(learning: Learning | undefined, expectation: Expectation, recorder: TraceRecorder): void {
  const { result } = recorder;
  if (learning === undefined || result === null || result.completionTokens === 0) return;
  recorder.learnt(learning.learn(expectation, result));
}

interface TracedRun extends Run {
  readonly traceTokens: number;
}

/** How long a generation that was told to finish has to say what it used. */
const FAREWELL_MS = 1_000;

async function* generateText(
  functions: AcquiredFunctions,
  model: ServedModel,
  run: TracedRun,
): AsyncGenerator<DeltaEvent, FinishReason, void> {
  const leaving = new AbortController();
  const events = functions.generate(toGeneration(model, run), leaving.signal)[Symbol.asyncIterator]();
  const text = createTextStream({ piece: (token) => model.tokenizer.piece(token), stop: run.request.stop });
  const finish = (): void => {
    functions.finish();
    setTimeout(() => leaving.abort(run.signal.reason), FAREWELL_MS).unref();
  };
  run.signal.addEventListener("abort", finish, { once: true });
  try {
    return yield* readText(events, text, run);
  } finally {
    run.signal.removeEventListener("abort", finish);
    // The function counts what it did up to its end: the bill wants to know, whoever has left.
    if (!run.signal.aborted && run.recorder.result === null) finish();
    await drain(events, run.recorder);
    leaving.abort(remoeError("REQUEST_CANCELLED", {}));
  }
}

async function drain(events: AsyncIterator<TokenEvent | DoneEvent>, recorder: TraceRecorder): Promise<void> {
  try {
    for (let next = await events.next(); next.done !== true; next = await events.next()) {
      if (next.value.type === "done") recorder.done(next.value);
    }
  } catch {
    // The request has ended in its own way before.
  }
}

async function* readText(
  events: AsyncIterator<TokenEvent | DoneEvent>,
  text: TextStream,
  { recorder, signal }: Run,
): AsyncGenerator<DeltaEvent, FinishReason, void> {
  let held: TokenEvent[] = [];
  for (let next = await events.next(); next.done !== true; next = await events.next()) {
    const event = next.value;
    if (event.type === "done") {
      recorder.done(event);
      signal.throwIfAborted();
      const last = text.end();
      yield* delta(last.text, held);
      return last.stopped || event.finishReason !== "length" ? "stop" : "length";
    }
    signal.throwIfAborted();
    recorder.token(event.atMs);
    held.push(event);
    const chunk = text.push(event.token);
    if (chunk.stopped) {
      yield* delta(chunk.text, held);
      return "stop";
    }
    if (chunk.text !== "") {
      yield* delta(chunk.text, held);
      held = [];
    }
  }
  throw remoeError("FUNCTION_LOST", { role: "main", reason: "its answer ended without a result" });
}

function* delta(text: string, tokens: readonly TokenEvent[]): Generator<DeltaEvent, void, void> {
  if (text !== "" || tokens.length > 0) {
    yield { type: "delta", text, tokens };
  }
}

function toPlanQuery({ request, promptTokens }: Run, model: ServedModel, expectation: Expectation | null): PlanQuery {
  return { promptTokens: promptTokens.length, maxTokens: mostTokens(request, promptTokens, model), expectation };
}

/** What is left of the context bounds every answer. */
function mostTokens({ maxTokens }: CompletionRequest, promptTokens: readonly number[], model: ServedModel): number {
  const left = model.contextLength - promptTokens.length;
  return Math.min(maxTokens ?? left, left);
}

function toGeneration(model: ServedModel, { request, promptTokens, traceTokens }: TracedRun): Generation {
  return {
    promptTokens,
    maxTokens: mostTokens(request, promptTokens, model),
    sampling: request.sampling,
    stopTokens: model.tokenizer.endOfGeneration,
    topLogprobs: request.topLogprobs,
    traceTokens,
  };
}

/** Ends the trace of a request that failed or was cancelled and gives the error to throw. */
function endFailed(error: unknown, signal: AbortSignal, recorder: TraceRecorder): unknown {
  if (signal.aborted) {
    recorder.end("cancelled");
    return isRemoeError(signal.reason) ? signal.reason : remoeError("REQUEST_CANCELLED", {}, error);
  }
  recorder.end("error", isRemoeError(error) ? error.code : null);
  return error;
}
