import { remoeError } from "../core/errors.ts";
import { Owned } from "../core/owned.ts";
import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { HyperParameters } from "../model/architecture.ts";
import { logprobs } from "../model/logprobs.ts";
import { Sampler } from "../model/sampler.ts";
import { createPasses } from "./create-passes.ts";
import { ExpertTracer } from "./expert-tracer.ts";
import type {
  FinishReason,
  GenerationControl,
  GenerationEvent,
  GenerationRequest,
  GenerationToken,
} from "./generation.ts";
import { type LoadedRuntime, loadRuntime, type RuntimeOptions } from "./load-runtime.ts";
import type { PassStrategy, SequenceOptions } from "./pass-strategy.ts";
import { RegionQueue } from "./region-queue.ts";
import { type Member, promptBatches, Scheduler } from "./scheduler.ts";
import { TimeShares } from "./time-shares.ts";

export interface EngineOptions extends RuntimeOptions {
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
}

/** An answer in the making. */
interface Answer extends Pick<GenerationControl, "signal" | "finish"> {
  readonly request: GenerationRequest;
  /** Prompt and answer so far. */
  readonly sequence: number[];
  readonly member: Member;
  readonly pass: SequenceOptions;
}

/** A model in memory that generates text, for several requests at a time if it is made for that. */
export class Engine implements Disposable {
  readonly hyper: HyperParameters;
  readonly contextLength: number;
  /** Generations that are computed together at most. */
  readonly parallel: number;
  /** Bytes of weights in memory. */
  readonly weightBytes: number;
  readonly #loaded: LoadedRuntime;
  readonly #passes: PassStrategy;
  readonly #scheduler: Scheduler;
  readonly #regions: RegionQueue;
  readonly #sampler: Sampler;
  readonly #clock: () => number;
  #running = 0;
  #disposed = false;

  private constructor(loaded: LoadedRuntime, { numerics = "default", clock = () => performance.now() }: EngineOptions) {
    const { hyper, cache } = loaded.runtime;
    this.hyper = hyper;
    this.contextLength = cache.contextLength;
    this.parallel = cache.parallel;
    this.weightBytes = loaded.weightBytes;
    this.#loaded = loaded;
    this.#passes = createPasses(loaded.runtime, numerics);
    this.#scheduler = new Scheduler(this.#passes, new TimeShares(clock));
    this.#regions = new RegionQueue(cache.regions);
    this.#sampler = new Sampler(hyper.vocabulary);
    this.#clock = clock;
  }

  /** @throws what {@link loadRuntime} and {@link createPasses} throw */
  static async load(native: Native, file: GgufFile, options: EngineOptions): Promise<Engine> {
    return Owned.construct(async (owned) => new Engine(owned.own(await loadRuntime(native, file, options)), options));
  }

  /**
   * Generates tokens, together with the other generations that run. One more than there is room for waits until one ends.
   * @throws PROMPT_EMPTY, CONTEXT_LENGTH_EXCEEDED, the signal's reason when it is aborted
   */
  async *generate(
    request: GenerationRequest,
    { signal, finish, remote }: GenerationControl,
  ): AsyncGenerator<GenerationEvent, void, void> {
    this.#check(request);
    const region = await this.#regions.take(this.#rowsFor(request), signal);
    const member = this.#scheduler.join();
    this.#running++;
    try {
      const tracer = new ExpertTracer(this.hyper, request);
      const pass: SequenceOptions = { ...tracer.watch(remote), region };
      const sequence = Array.from(request.promptTokens);
      yield* this.#generate({ request, sequence, member, pass, signal, finish }, tracer);
    } finally {
      this.#scheduler.leave(member);
      this.#regions.give(region);
      // Between requests threads sleep instead of spinning.
      if (--this.#running === 0 && !this.#disposed) this.#loaded.runtime.backend.park();
    }
  }

  /** Of the cache: alone a sequence has all of it, and begins at its first row. */
  #rowsFor({ promptTokens, maxTokens }: GenerationRequest): number {
    const { cache } = this.#loaded.runtime;
    const tokens = this.parallel === 1 ? this.contextLength : promptTokens.length + maxTokens;
    return cache.span(Math.min(tokens, this.contextLength));
  }

  async *#generate(answer: Answer, tracer: ExpertTracer): AsyncGenerator<GenerationEvent, void, void> {
    const { request, sequence, member } = answer;
    const started = this.#clock();
    const logits = await this.#prefill(answer);
    const prefilled = this.#clock();
    tracer.startDecode();
    const finishReason = yield* this.#answer(logits, answer);
    yield {
      type: "done",
      finishReason,
      completionTokens: sequence.length - request.promptTokens.length,
      timings: {
        prefillMs: prefilled - started,
        decodeMs: this.#clock() - prefilled,
        busyMs: this.#scheduler.shareOf(member),
      },
      experts: tracer.traffic,
      activations: tracer.activations,
      samples: tracer.samples(sequence),
    };
  }

  /** → logits of the prompt's last token, [vocabulary]; undefined if it was asked to finish before */
  async #prefill({ sequence, member, pass, signal, finish }: Answer): Promise<Float32Array | undefined> {
    let logits: Float32Array | undefined;
    for (const { tokens, position, isLast } of promptBatches(sequence)) {
      signal.throwIfAborted();
      if (finish?.aborted === true) return undefined;
      logits = await this.#scheduler.prefill(member, { tokens, position, options: { ...pass, isLast } });
    }
    return logits;
  }

  /** Appends tokens to the sequence, replayed ones first. `logits`: undefined if the prefill was finished early. */
  async *#answer(
    logits: Float32Array | undefined,
    answer: Answer,
  ): AsyncGenerator<GenerationToken, FinishReason, void> {
    const { request, sequence, member, pass, signal, finish } = answer;
    const { promptTokens, replayTokens, stopTokens, maxTokens } = request;
    const last = Math.min(this.contextLength, promptTokens.length + maxTokens);
    const isAskedToFinish = (): boolean => finish?.aborted === true;
    let current = logits;
    while (sequence.length < last) {
      if (current === undefined || isAskedToFinish()) return "cancelled";
      const replayed = replayTokens[sequence.length - promptTokens.length];
      if (replayed === undefined) {
        const event = this.#choose(current, request, sequence);
        if (stopTokens.includes(event.token)) return "stop";
        sequence.push(event.token);
        yield event;
      } else sequence.push(replayed);
      await breathe(signal);
      if (sequence.length === last || isAskedToFinish()) continue;
      const step = { ...pass, token: sequence.at(-1) as number, position: sequence.length - 1 };
      current = await this.#scheduler.decode(member, step);
    }
    return "length";
  }

  #check({ promptTokens }: GenerationRequest): void {
    if (this.#disposed) throw remoeError("RESOURCE_DISPOSED", { resource: "the engine" });
    if (promptTokens.length === 0) throw remoeError("PROMPT_EMPTY", {});
    if (promptTokens.length >= this.contextLength) {
      const { contextLength } = this;
      throw remoeError("CONTEXT_LENGTH_EXCEEDED", { promptTokens: promptTokens.length, contextLength });
    }
  }

  #choose(
    logits: Float32Array,
    { sampling, topLogprobs }: GenerationRequest,
    sequence: readonly number[],
  ): GenerationToken {
    const position = sequence.length;
    const token = this.#sampler.chooseToken({ logits, sampling, recent: sequence, position });
    if (topLogprobs === null) return { type: "token", token, logprob: null, top: [] };
    return { type: "token", token, ...logprobs(logits, token, topLogprobs) };
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#passes[Symbol.dispose]();
    this.#loaded[Symbol.dispose]();
  }
}

/** Lets sockets and timers have their turn between tokens, and ends a generation nobody waits for. */
function breathe(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    setImmediate(() => (signal.aborted ? reject(signal.reason) : resolve()));
  });
}
