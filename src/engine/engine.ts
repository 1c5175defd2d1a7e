import { remoeError } from "../core/errors.ts";
import { Owned } from "../core/owned.ts";
import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { HyperParameters } from "../model/architecture.ts";
import { logprobs } from "../model/logprobs.ts";
import { Sampler } from "../model/sampler.ts";
import { ExpertTracer } from "./expert-tracer.ts";
import { ForwardPasses } from "./forward-passes.ts";
import type { GenerationDone, GenerationEvent, GenerationRequest, TokenEvent } from "./generation.ts";
import { type LoadedRuntime, loadRuntime, type RuntimeOptions } from "./load-runtime.ts";
import type { RemoteExperts } from "./runtime.ts";

export interface EngineOptions extends RuntimeOptions {
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
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
   * @param remote computes the experts this engine does not hold
   * @throws PROMPT_EMPTY, CONTEXT_LENGTH_EXCEEDED, the signal's reason when it is aborted
   */
  async *generate(
    request: GenerationRequest,
    signal: AbortSignal,
    remote?: RemoteExperts,
  ): AsyncGenerator<GenerationEvent, void, void> {
    this.#check(request);
    try {
      yield* this.#generate(request, signal, remote);
    } finally {
      if (!this.#disposed) this.#passes.rest();
    }
  }

  async *#generate(
    request: GenerationRequest,
    signal: AbortSignal,
    remote: RemoteExperts | undefined,
  ): AsyncGenerator<GenerationEvent, void, void> {
    const tracer = new ExpertTracer(this.hyper.layers, this.hyper.experts);
    const traffic = remote === undefined ? undefined : tracer.count(remote);
    const sequence = Array.from(request.promptTokens);
    const started = this.#clock();
    let logits = await this.#passes.prefill(sequence, { observe: tracer.observe, remote: traffic, signal });
    const prefilled = this.#clock();
    tracer.startDecode();
    const last = Math.min(this.contextLength, sequence.length + request.maxTokens);
    let finishReason: GenerationDone["finishReason"] = "length";
    while (sequence.length < last) {
      const event = this.#choose(logits, request, sequence);
      if (request.stopTokens.includes(event.token)) {
        finishReason = "stop";
        break;
      }
      sequence.push(event.token);
      yield event;
      await breathe(signal);
      if (sequence.length === last) break;
      logits = await this.#passes.decode(event.token, sequence.length - 1, {
        observe: tracer.observe,
        remote: traffic,
      });
    }
    yield {
      type: "done",
      finishReason,
      completionTokens: sequence.length - request.promptTokens.length,
      timings: { prefillMs: prefilled - started, decodeMs: this.#clock() - prefilled },
      experts: tracer.traffic,
      activations: tracer.activations,
    };
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
