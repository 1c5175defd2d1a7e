import type { Native } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import { readTransformer } from "./registry.ts";
import { requireTensor } from "./require-tensor.ts";
import { TensorRows } from "./tensor-rows.ts";

/** Most bytes of embeddings that {@link TokenEmbeddings} keeps. */
export const EMBEDDING_CACHE_BYTES = 8 << 20;

/** Keeps every connection busy where they come from a URL. */
const READ_TOGETHER = 64;

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
   * @throws MODEL_ARCHITECTURE_UNSUPPORTED, MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID
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
   * The embeddings of tokens as the file stores them, not to be written to: [dimensions] each, and null for a token that
   * the vocabulary does not have. Those that are not kept are read, several at once.
   * @returns the embedding of each of the tokens
   * @throws MODEL_FILE_TRUNCATED when the file has changed since its header was read, and what its source throws
   */
  async of(tokens: readonly number[]): Promise<(token: number) => Float32Array | null> {
    const found = new Map<number, Float32Array>();
    const known = [...new Set(tokens)].filter((token) => this.#isKnown(token));
    for (let i = 0; i < known.length; i += READ_TOGETHER) {
      const rows = await Promise.all(known.slice(i, i + READ_TOGETHER).map((token) => this.#get(token)));
      for (const [j, row] of rows.entries()) found.set(known[i + j] as number, row);
    }
    return (token) => found.get(token) ?? null;
  }

  #isKnown(token: number): boolean {
    return Number.isInteger(token) && token >= 0 && token < this.#vocabulary;
  }

  async #get(token: number): Promise<Float32Array> {
    const embedding = this.#kept.get(token) ?? (await this.#rows.read(token));
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
