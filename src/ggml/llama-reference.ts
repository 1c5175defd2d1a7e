import { remoeError } from "../core/errors.ts";
import { loadLlama, type Native } from "./library.ts";
import { view } from "./memory.ts";
import type { LlamaBatch, LlamaContext, LlamaModel, ThreadPool } from "./signatures.ts";

export interface LlamaReferenceOptions {
  readonly contextLength: number;
  /** Sequences that {@link LlamaReference.decodeEach} takes. Defaults to 1. */
  readonly sequences?: number;
  /** Tokens computed at once in prefill. */
  readonly batch: number;
  readonly threads: number;
  /** Share this thread pool instead of making one; both sides then run on the same threads. */
  readonly pool?: ThreadPool;
}

/** The same file run by libllama itself: what Remoe's numbers and speed are held against. Tests and benchmarks only. */
export class LlamaReference implements Disposable {
  readonly vocabularySize: number;
  readonly #llama: ReturnType<typeof loadLlama>;
  readonly #model: LlamaModel;
  readonly #context: LlamaContext;
  readonly #batch: LlamaBatch;
  readonly #batchSize: number;
  readonly #tokens: Int32Array;
  readonly #positions: Int32Array;
  readonly #wantsLogits: Uint8Array;
  /** By row of the batch: the sequence it belongs to. */
  readonly #sequences: readonly Int32Array[];

  constructor(native: Native, path: string, options: LlamaReferenceOptions) {
    this.#llama = loadLlama(native);
    const model = this.#llama.llama_model_load_from_file(path, {
      ...this.#llama.llama_model_default_params(),
      n_gpu_layers: 0,
    });
    if (model === null) throw callFailed("llama_model_load_from_file", path);
    this.#model = model;
    this.vocabularySize = this.#llama.llama_vocab_n_tokens(this.#llama.llama_model_get_vocab(model));
    this.#context = this.#createContext(path, options);
    this.#batchSize = options.batch;
    this.#batch = this.#llama.llama_batch_init(options.batch, 0, 1);
    this.#tokens = new Int32Array(view(this.#batch.token, options.batch * 4));
    this.#positions = new Int32Array(view(this.#batch.pos, options.batch * 4));
    this.#wantsLogits = new Uint8Array(view(this.#batch.logits, options.batch));
    new Int32Array(view(this.#batch.n_seq_id, options.batch * 4)).fill(1);
    const places = new BigUint64Array(view(this.#batch.seq_id, options.batch * 8));
    this.#sequences = Array.from({ length: options.batch }, (_, row) => new Int32Array(view(places[row] ?? 0n, 4)));
    for (const sequence of this.#sequences) sequence[0] = 0;
  }

  /** Computes tokens at consecutive positions. → logits of the last, [vocabulary], overwritten by the next call */
  decode(tokens: readonly number[], position: number): Float32Array {
    for (let first = 0; first < tokens.length; first += this.#batchSize) {
      this.#decodeBatch(tokens.slice(first, first + this.#batchSize), position + first);
    }
    const logits = this.#llama.llama_get_logits_ith(this.#context, -1);
    if (logits === null) throw callFailed("llama_get_logits_ith", "no logits");
    return new Float32Array(view(logits, this.vocabularySize * 4));
  }

  /** The next token of sequences 0, 1, …, all at the same position, in one batch. */
  decodeEach(tokens: readonly number[], position: number): void {
    for (const [i, token] of tokens.entries()) {
      this.#assign(i, i);
      this.#tokens[i] = token;
      this.#positions[i] = position;
      this.#wantsLogits[i] = 1;
    }
    this.#compute(tokens.length);
    for (const row of tokens.keys()) this.#assign(row, 0);
  }

  /** Forgets every token. */
  clear(): void {
    this.#llama.llama_memory_clear(this.#llama.llama_get_memory(this.#context), false);
  }

  #createContext(
    path: string,
    { contextLength, sequences = 1, batch, threads, pool }: LlamaReferenceOptions,
  ): LlamaContext {
    const context = this.#llama.llama_init_from_model(this.#model, {
      ...this.#llama.llama_context_default_params(),
      n_ctx: contextLength * sequences,
      n_seq_max: sequences,
      n_batch: batch,
      n_ubatch: batch,
      n_threads: threads,
      n_threads_batch: threads,
    });
    if (context === null) throw callFailed("llama_init_from_model", path);
    if (pool !== undefined) this.#llama.llama_attach_threadpool(context, pool, pool);
    return context;
  }

  #assign(row: number, sequence: number): void {
    (this.#sequences[row] as Int32Array)[0] = sequence;
  }

  #decodeBatch(tokens: readonly number[], position: number): void {
    for (const [i, token] of tokens.entries()) {
      this.#tokens[i] = token;
      this.#positions[i] = position + i;
      this.#wantsLogits[i] = i === tokens.length - 1 ? 1 : 0;
    }
    this.#compute(tokens.length);
  }

  #compute(tokens: number): void {
    const status = this.#llama.llama_decode(this.#context, { ...this.#batch, n_tokens: tokens });
    if (status !== 0) throw callFailed("llama_decode", `status ${status}`);
  }

  [Symbol.dispose](): void {
    this.#llama.llama_batch_free(this.#batch);
    this.#llama.llama_free(this.#context);
    this.#llama.llama_model_free(this.#model);
  }
}

function callFailed(call: string, reason: string): Error {
  return remoeError("NATIVE_CALL_FAILED", { call, reason });
}
