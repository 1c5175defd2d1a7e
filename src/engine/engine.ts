import { remoeError } from "../core/errors.ts";
import { CpuBackend } from "../ggml/cpu-backend.ts";
import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import { type HyperParameters, multiplicationsPerToken, type WeightSpec } from "../model/architecture.ts";
import { logprobs } from "../model/logprobs.ts";
import { architectureOf } from "../model/registry.ts";
import { Sampler } from "../model/sampler.ts";
import { allExperts, ExpertBank, type ExpertSelection } from "./expert-bank.ts";
import { ExpertTracer } from "./expert-tracer.ts";
import { ForwardPasses, type Numerics } from "./forward-passes.ts";
import type { GenerationDone, GenerationEvent, GenerationRequest, TokenEvent } from "./generation.ts";
import { KvCache } from "./kv-cache.ts";
import type { RemoteExperts, Runtime } from "./runtime.ts";
import { cpuPlacement, type LoadedTensors, loadTensors, type StoredTensor } from "./tensor-loader.ts";

export interface EngineOptions {
  /** Tokens a sequence may have, prompt and answer together. Defaults to what the model was trained on. */
  readonly contextLength?: number;
  /** Threads that compute: the vCPUs of this function. */
  readonly threads: number;
  readonly numerics?: Numerics;
  /** Experts to hold; all by default. */
  readonly experts?: ExpertSelection;
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
}

/** A model in memory that generates text, one request at a time. */
export class Engine implements Disposable {
  readonly hyper: HyperParameters;
  readonly contextLength: number;
  /** Bytes of weights in memory. */
  readonly weightBytes: number;
  readonly #resources: readonly Disposable[];
  readonly #passes: ForwardPasses;
  readonly #sampler: Sampler;
  readonly #clock: () => number;

  private constructor(runtime: Runtime, weights: LoadedTensors, options: EngineOptions) {
    this.hyper = runtime.hyper;
    this.contextLength = runtime.cache.contextLength;
    this.weightBytes = weights.bytes + runtime.bank.bytes;
    this.#passes = new ForwardPasses(runtime, options.numerics ?? "default");
    this.#resources = [this.#passes, runtime.cache, runtime.bank, weights, runtime.backend];
    this.#sampler = new Sampler(runtime.hyper.vocabulary);
    this.#clock = options.clock ?? (() => performance.now());
  }

  /**
   * Reads the weights of a model.
   * @throws MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID, NATIVE_CALL_FAILED
   */
  static async load(native: Native, file: GgufFile, options: EngineOptions): Promise<Engine> {
    const architecture = architectureOf(file);
    const hyper = architecture.hyperParameters(file);
    const placement = cpuPlacement(native);
    const stored = architecture.weights(file, hyper).map(storedTensor);
    const selection = options.experts ?? allExperts(hyper.layers, hyper.experts);
    const weights = await loadTensors(native, file.path, stored, placement);
    const bank = await ExpertBank.load(native, file, architecture.experts(file, hyper), { selection, placement });
    const { numerics = "default", threads } = options;
    const passThreads = numerics === "default" && isSmall(hyper) ? 1 : threads;
    const backend = new CpuBackend(native, passThreads);
    const contextLength = options.contextLength ?? hyper.contextLength;
    const cache = new KvCache(native, hyper, { contextLength, type: backend.bufferType });
    const weight = (name: string) => weights.byName.get(name)?.tensor;
    return new Engine({ native, architecture, hyper, weight, bank, cache, backend, threads }, weights, options);
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
    this.#passes.rest();
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
    for (const resource of this.#resources) resource[Symbol.dispose]();
  }
}

/**
 * A model whose tokens are so little work that threads would mostly wait for each other, and lose milliseconds at each
 * operation whenever the machine lends one of their cores to somebody else.
 */
function isSmall(hyper: HyperParameters): boolean {
  const head = hyper.hidden * hyper.vocabulary;
  return hyper.layers * multiplicationsPerToken(hyper) + head < SMALL_TOKEN;
}

/** Multiplications of a token: about half a millisecond of one core. */
const SMALL_TOKEN = 2e7;

/** Lets sockets and timers have their turn between tokens, and ends a generation nobody waits for. */
function breathe(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    setImmediate(() => (signal.aborted ? reject(signal.reason) : resolve()));
  });
}

/** A weight of the architecture's list as the loader wants it. */
function storedTensor({ name, parts, use }: WeightSpec): StoredTensor {
  const [first] = parts as [WeightSpec["parts"][0]];
  const rows = parts.map((part) => part.shape[1] ?? 1);
  const shape = first.shape.length === 1 ? first.shape : [first.shape[0] ?? 1, rows.reduce((a, b) => a + b)];
  return {
    name,
    type: first.type,
    shape,
    parts: parts.map(({ offset, bytes }, i) => ({ offset, bytes, rows: rows[i] ?? 1 })),
    repackable: use === "matmul",
  };
}
