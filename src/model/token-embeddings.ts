import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import { readTransformer } from "./registry.ts";
import { requireTensor } from "./require-tensor.ts";
import { TensorRows } from "./tensor-rows.ts";

/** Most bytes of embeddings that {@link TokenEmbeddings} keeps. */
export const EMBEDDING_CACHE_BYTES = 8 << 20;

/**
 * A model's token embeddings, read from its file one by one when they are asked for: for a process that holds no
 * weights. The most recently used are kept.
 */
export class TokenEmbeddings implements Disposable {
  /** Length of an embedding. */
  readonly dimensions: number;
  readonly #vocabulary: number;
  readonly #rows: TensorRows;
  /** By token, the one used longest ago first. */
  readonly #kept = new Map<number, Float32Array>();
  readonly #capacity: number;

  /**
   * @param cacheBytes most bytes of embeddings to keep
   * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE, MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_METADATA_INVALID,
   *   MODEL_TENSOR_INVALID
   */
  constructor(native: Native, file: GgufFile, cacheBytes = EMBEDDING_CACHE_BYTES) {
    const { hidden, vocabulary } = readTransformer(file).hyper;
    this.dimensions = hidden;
    this.#vocabulary = vocabulary;
    this.#capacity = Math.floor(cacheBytes / (hidden * Float32Array.BYTES_PER_ELEMENT));
    this.#rows = new TensorRows(native, {
      tensor: requireTensor(file, "token_embd.weight", [hidden, vocabulary]),
      rows: 1,
    });
  }

  /**
   * A token's embedding as the file stores it, not to be written to: [dimensions]; null for a token that the vocabulary
   * does not have.
   * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE, MODEL_FILE_TRUNCATED when the file has changed since its header was read
   */
  get(token: number): Float32Array | null {
    if (!Number.isInteger(token) || token < 0 || token >= this.#vocabulary) return null;
    const embedding = this.#kept.get(token) ?? this.#rows.read(token);
    this.#kept.delete(token);
    this.#kept.set(token, embedding);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > this.#capacity && oldest !== undefined) this.#kept.delete(oldest);
    return embedding;
  }

  /** Bytes of embeddings kept now. */
  get keptBytes(): number {
    return this.#kept.size * this.dimensions * Float32Array.BYTES_PER_ELEMENT;
  }

  [Symbol.dispose](): void {
    this.#rows[Symbol.dispose]();
  }
}
