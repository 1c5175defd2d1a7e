import { setMaxListeners } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { BytesMissing, FirstBytes } from "./first-bytes.ts";
import { isModelUrl, parseModelUrl, publicUrl } from "./model-url.ts";
import { type GgufFile, type OpenedFile, readGguf } from "./read.ts";
import { WebFile, type WebOptions } from "./web-file.ts";

/** Read of a file at once: the header of a small model, or enough of a large one to know what it is. */
const FIRST_BYTES = 512 * 1024;
/** Without a byte for so long, a connection is given up. */
const SILENCE_MS = 15_000;

/**
 * Reads the header of a model, on disk or behind a URL, of every part if it is split. From a URL come the header and,
 * as nothing says beforehand where it ends, at most as many bytes behind it.
 * @param location a path, or an `http:` or `https:` URL of a server that answers range requests
 * @param options how to download; the token is REMOE_MODEL_TOKEN unless given
 * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE, MODEL_URL_INVALID, MODEL_ACCESS_DENIED, MODEL_RANGES_UNSUPPORTED,
 *   MODEL_DOWNLOAD_FAILED, MODEL_CHANGED, MODEL_PART_INVALID, what {@link parseGguf} throws, the signal's reason
 */
export async function openModel(location: string, options: Partial<WebOptions> = {}): Promise<GgufFile> {
  if (!isModelUrl(location)) return readGguf(location);
  const url = parseModelUrl(location);
  const parts = new WebParts(url.search, { ...webOptions(options.signal), ...options });
  const file = await parts.read(publicUrl(url));
  return { ...file, location: file.path + url.search };
}

/** Waits vary, so that functions that started together do not come back together. */
function webOptions(signal: AbortSignal | undefined): WebOptions {
  // Every request under way listens to it.
  if (signal !== undefined) setMaxListeners(0, signal);
  const pause = (ms: number) => delay(ms * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {});
  return { token: process.env["REMOE_MODEL_TOKEN"] ?? null, silenceMs: SILENCE_MS, signal, pause };
}

interface WebPart extends OpenedFile {
  readonly header: FirstBytes;
}

/** The files of a model behind URLs. */
class WebParts {
  readonly #search: string;
  readonly #options: WebOptions;
  /** By path; an error for one that cannot be opened. */
  readonly #opened = new Map<string, WebPart | Error>();

  /** @param search the query of every part's URL */
  constructor(search: string, options: WebOptions) {
    this.#search = search;
    this.#options = options;
  }

  /** Reads as if everything were there; whenever something is not, fetches it and begins again. */
  async read(path: string): Promise<GgufFile> {
    for (;;) {
      try {
        const file = readGguf(path, (part) => this.#find(part));
        await this.#find(file.path).header.keep(file.headerBytes);
        return file;
      } catch (error) {
        if (!(error instanceof BytesMissing)) throw error;
        await error.fetch();
      }
    }
  }

  #find(path: string): WebPart {
    const part = this.#opened.get(path);
    if (part === undefined) throw new BytesMissing(() => this.#open(path));
    if (part instanceof Error) throw part;
    return part;
  }

  async #open(path: string): Promise<void> {
    const url = new URL(path + this.#search);
    const part = await WebFile.open(url, FIRST_BYTES, this.#options).then(
      ({ file, start }): WebPart => ({ source: file, header: new FirstBytes(file, start) }),
      (error: Error) => error,
    );
    this.#opened.set(path, part);
  }
}
