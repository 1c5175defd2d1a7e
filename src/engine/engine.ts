import { remoeError } from "../core/errors.ts";
import { Owned } from "../core/owned.ts";
import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { HyperParameters } from "../model/architecture.ts";
import { logprobs } from "../model/logprobs.ts";
import { Sampler } from "../model/sampler.ts";
import { ExpertTracer } from "./expert-tracer.ts";
import { ForwardPasses } from "./forward-passes.ts";
import type { FinishReason, GenerationControl, GenerationEvent, GenerationRequest, TokenEvent } from "./generation.ts";
import { type LoadedRuntime, loadRuntime, type RuntimeOptions } from "./load-runtime.ts";
import type { PassOptions } from "./runtime.ts";

export interface EngineOptions extends RuntimeOptions {
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
}

/** An answer in the making. */
interface Answer extends Pick<GenerationControl, "signal" | "finish"> {
  readonly request: GenerationRequest;
  /** Prompt and answer so far. */
  readonly sequence: number[];
  readonly pass: PassOptions;
}

/** A model in memory that generates text, one request at a time. */
export class Engine implements Disposable {
  readonly hyper: HyperParameters;
  readonly contextLength: number;
  /** Bytes of weights in memory. */
  readonly weightBytes: number;
  readonly #loaded: LoadedRuntime;
  readonly #passes: ForwardPasses;
  readonly #sampler: Sampler;
  readonly #clock: () => number;
  #disposed = false;

  private constructor(loaded: LoadedRuntime, { numerics = "default", clock = () => performance.now() }: EngineOptions) {
    const { hyper, cache } = loaded.runtime;
    this.hyper = hyper;
    this.contextLength = cache.contextLength;
    this.weightBytes = loaded.weightBytes;
    this.#loaded = loaded;
    this.#passes = new ForwardPasses(loaded.runtime, numerics);
    this.#sampler = new Sampler(hyper.vocabulary);
    this.#clock = clock;
  }

  /** @throws what {@link loadRuntime} throws, NUMERICS_NEED_ALL_EXPERTS */
  static async load(native: Native, file: GgufFile, options: EngineOptions): Promise<Engine> {
    return Owned.construct(async (owned) => new Engine(owned.own(await loadRuntime(native, file, options)), options));
  }

  /**
   * Generates tokens. Requests must not overlap: the sequence in the cache is the current request's.
   * @throws PROMPT_EMPTY, CONTEXT_LENGTH_EXCEEDED, the signal's reason when it is aborted
   */
  async *generate(request: GenerationRequest, control: GenerationControl): AsyncGenerator<GenerationEvent, void, void> {
    this.#check(request);
    try {
      yield* this.#generate(request, control);
    } finally {
      if (!this.#disposed) this.#passes.rest();
    }
  }

  async *#generate(
    request: GenerationRequest,
    { signal, finish, remote }: GenerationControl,
  ): AsyncGenerator<GenerationEvent, void, void> {
    const tracer = new ExpertTracer(this.hyper, request);
    const pass = tracer.watch(remote);
    const sequence = Array.from(request.promptTokens);
    const started = this.#clock();
    const logits = await this.#passes.prefill(sequence, { ...pass, signal, finish });
    const prefilled = this.#clock();
    tracer.startDecode();
    const finishReason = yield* this.#answer(logits, { request, sequence, pass, signal, finish });
    yield {
      type: "done",
      finishReason,
      completionTokens: sequence.length - request.promptTokens.length,
      timings: { prefillMs: prefilled - started, decodeMs: this.#clock() - prefilled },
      experts: tracer.traffic,
      activations: tracer.activations,
      samples: tracer.samples(sequence),
    };
  }

  /** Appends tokens to the sequence, replayed ones first. `logits`: undefined if the prefill was finished early. */
  async *#answer(logits: Float32Array | undefined, answer: Answer): AsyncGenerator<TokenEvent, FinishReason, void> {
    const { request, sequence, pass, signal, finish } = answer;
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
      current = await this.#passes.decode(sequence.at(-1) as number, sequence.length - 1, pass);
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

  #choose(logits: Float32Array, { sampling, topLogprobs }: GenerationRequest, sequence: readonly number[]): TokenEvent {
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
