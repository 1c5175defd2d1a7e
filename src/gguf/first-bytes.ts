import type { ByteSource } from "./byte-source.ts";
import type { WebSource } from "./model-source.ts";

/** Most that is read at once behind what is asked for. */
const MOST_AHEAD = 8 * 1024 ** 2;

/** Bytes that must be fetched before a synchronous reader can go on. */
export class BytesMissing extends Error {
  readonly fetch: () => Promise<void>;

  constructor(fetch: () => Promise<void>) {
    super("bytes are missing");
    this.fetch = fetch;
  }
}

/** The start of a file, as far as it is there. */
export class FirstBytes implements ByteSource {
  /** Of the file; in the end of what is kept. */
  size: number;
  readonly #file: WebSource;
  #bytes: Buffer;

  constructor(file: WebSource, start: Buffer) {
    this.size = file.size;
    this.#file = file;
    this.#bytes = start;
  }

  /** @throws BytesMissing */
  read(offset: number, length: number): Uint8Array {
    const end = Math.min(offset + length, this.size);
    if (end > this.#bytes.length) throw new BytesMissing(() => this.#extend(end));
    return this.#bytes.subarray(offset, end);
  }

  /** In the end keeps so many bytes, and nothing behind them. */
  async keep(bytes: number): Promise<void> {
    if (bytes > this.#bytes.length) await this.#extend(bytes);
    this.#bytes = Buffer.from(this.#bytes.subarray(0, bytes));
    this.size = bytes;
  }

  /** Twice as much each time: few requests for large headers, little too much for small ones. */
  async #extend(end: number): Promise<void> {
    const there = this.#bytes.length;
    const next = Math.max(end, there + Math.min(there, MOST_AHEAD));
    const bytes = Buffer.alloc(Math.min(next, this.size));
    this.#bytes.copy(bytes);
    await this.#file.fill([bytes.subarray(there)], there);
    this.#bytes = bytes;
  }
}
