import type { IncomingMessage } from "node:http";
import { isRemoeError, remoeError } from "../core/errors.ts";
import { DownloadFailure } from "./download-failure.ts";
import type { WebSource } from "./model-source.ts";
import { type ClientOptions, RangeClient } from "./range-client.ts";
import type { RangeReply } from "./range-request.ts";

export interface WebOptions extends ClientOptions {
  /** Waits before another attempt. */
  readonly pause: (ms: number) => Promise<void>;
}

/** Attempts at one range, each of which goes on where the one before broke off. */
const ATTEMPTS = 6;
/** Before the second attempt; doubled each time. */
const FIRST_WAIT_MS = 250;

/** A file behind a URL, read by ranges. Whatever passes by itself is tried again. */
export class WebFile implements WebSource {
  readonly type = "web";
  readonly path: string;
  readonly size: number;
  readonly modifiedMs: number;
  readonly #client: RangeClient;
  readonly #options: WebOptions;

  private constructor(client: RangeClient, options: WebOptions, { size, modifiedMs }: RangeReply) {
    this.path = client.path;
    this.size = size;
    this.modifiedMs = modifiedMs;
    this.#client = client;
    this.#options = options;
  }

  /**
   * Opens a file by reading its first bytes, at most `most` of them.
   * @throws MODEL_NOT_FOUND, MODEL_ACCESS_DENIED, MODEL_RANGES_UNSUPPORTED, MODEL_DOWNLOAD_FAILED, the signal's reason
   */
  static async open(url: URL, most: number, options: WebOptions): Promise<{ file: WebFile; start: Buffer }> {
    const client = new RangeClient(url, options);
    return persist(client, options, async () => {
      const { reply, body } = await client.ask({ first: 0, last: most - 1 });
      const start = Buffer.alloc(reply.last + 1);
      await pour(body, new Vessel([start]));
      return { file: new WebFile(client, options, reply), start };
    });
  }

  /** @throws what {@link fill} throws */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    await this.fill([bytes], offset);
    return bytes;
  }

  /** @throws MODEL_CHANGED, MODEL_NOT_FOUND, MODEL_ACCESS_DENIED, MODEL_DOWNLOAD_FAILED, the signal's reason */
  fill(targets: readonly Uint8Array[], offset: number): Promise<void> {
    const vessel = new Vessel(targets);
    return persist(this.#client, this.#options, async () => {
      if (vessel.left === 0) return;
      const range = { first: offset + vessel.filled, last: offset + vessel.capacity - 1 };
      const { body } = await this.#client.ask(range);
      await pour(body, vessel);
    });
  }
}

/** Attempts something again until it succeeds, or fails in a way that does not pass. */
async function persist<Result>(
  { path }: RangeClient,
  { pause, signal }: WebOptions,
  attempt: () => Promise<Result>,
): Promise<Result> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (isRemoeError(error)) throw error;
      const failure = error instanceof DownloadFailure ? error : DownloadFailure.ofError(error);
      if (!failure.isPassing || attempts === ATTEMPTS) {
        throw remoeError("MODEL_DOWNLOAD_FAILED", { path, reason: failure.message, attempts }, error);
      }
      await pause(failure.waitMs ?? FIRST_WAIT_MS * 2 ** (attempts - 1));
    }
  }
}

/** @throws DownloadFailure when the body does not fill the vessel */
async function pour(body: IncomingMessage, vessel: Vessel): Promise<void> {
  for await (const chunk of body) vessel.take(chunk as Uint8Array);
  if (vessel.left > 0) throw new DownloadFailure("the answer ended too early", { isPassing: true });
}

/** Memory in pieces that is filled front to back. */
class Vessel {
  readonly capacity: number;
  /** Bytes taken so far. */
  filled = 0;
  readonly #pieces: readonly Uint8Array[];
  #piece = 0;
  /** Filled of the piece. */
  #at = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    this.capacity = pieces.reduce((sum, { length }) => sum + length, 0);
  }

  get left(): number {
    return this.capacity - this.filled;
  }

  take(bytes: Uint8Array): void {
    if (bytes.length > this.left)
      throw new DownloadFailure("the answer is longer than the range", { isPassing: false });
    this.filled += bytes.length;
    for (let rest = bytes; rest.length > 0; ) {
      const piece = this.#pieces[this.#piece] as Uint8Array;
      const part = rest.subarray(0, piece.length - this.#at);
      piece.set(part, this.#at);
      rest = rest.subarray(part.length);
      this.#at += part.length;
      if (this.#at < piece.length) return;
      this.#piece++;
      this.#at = 0;
    }
  }
}
