import type { IncomingMessage } from "node:http";
import { type RemoeError, remoeError } from "../core/errors.ts";
import { DownloadFailure } from "./download-failure.ts";
import { publicUrl } from "./model-url.ts";
import { type Range, type RangeReply, readRangeReply, requestRange } from "./range-request.ts";

export interface ClientOptions {
  /** For the URL's own server, never for one that it redirects to. */
  readonly token: string | null;
  /** Without a byte for so long, a connection is given up. */
  readonly silenceMs: number;
  /** Ends every request. */
  readonly signal?: AbortSignal | undefined;
}

export interface RangeAnswer {
  readonly reply: RangeReply;
  /** The bytes that `reply` announces. */
  readonly body: IncomingMessage;
}

const MOST_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const GONE: ReadonlySet<number> = new Set([404, 410]);
const DENIED: ReadonlySet<number> = new Set([401, 403]);
const OUT_OF_RANGE = 416;

/** Asks for ranges of one file, which must stay the same from the first answer on. */
export class RangeClient {
  readonly path: string;
  readonly #url: URL;
  readonly #options: ClientOptions;
  /** Where the URL has led to, which is asked next time: a hub's signed address is good for many ranges. */
  #target: URL;
  #first: RangeReply | null = null;

  constructor(url: URL, options: ClientOptions) {
    this.path = publicUrl(url);
    this.#url = url;
    this.#target = url;
    this.#options = options;
  }

  /**
   * One attempt. The range may reach beyond the end of the file, the answer does not.
   * @throws DownloadFailure
   * @throws MODEL_NOT_FOUND, MODEL_ACCESS_DENIED, MODEL_CHANGED, MODEL_RANGES_UNSUPPORTED
   */
  async ask(range: Range): Promise<RangeAnswer> {
    const body = await this.#follow(range);
    try {
      if (body.statusCode !== 206) throw this.#refusal(body);
      return { reply: this.#check(range, readRangeReply(body)), body };
    } catch (error) {
      body.destroy();
      throw error;
    }
  }

  /** An answer that is no redirect. */
  async #follow(range: Range): Promise<IncomingMessage> {
    let url = this.#target;
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      const response = await this.#send(url, range);
      const { statusCode = 0, headers } = response;
      // Where the URL has led to before may be an address that expires.
      const isStale = redirects === 0 && url !== this.#url && (GONE.has(statusCode) || DENIED.has(statusCode));
      if (!REDIRECTS.has(statusCode) && !isStale) {
        this.#target = url;
        return response;
      }
      response.resume();
      url = isStale ? this.#url : this.#redirected(url, headers.location ?? "");
    }
    throw new DownloadFailure(`more than ${MOST_REDIRECTS} redirects`, { isPassing: false });
  }

  #send(url: URL, range: Range): Promise<IncomingMessage> {
    const { token, ...options } = this.#options;
    return requestRange({ ...range, ...options, url, token: url.origin === this.#url.origin ? token : null });
  }

  #redirected(from: URL, location: string): URL {
    const to = URL.canParse(location, from.href) ? new URL(location, from) : null;
    const allowed = this.#url.protocol === "https:" ? ["https:"] : ["http:", "https:"];
    if (to !== null && allowed.includes(to.protocol)) return to;
    throw new DownloadFailure(`a redirect to ${to?.protocol ?? "an invalid address"}`, { isPassing: false });
  }

  #refusal(response: IncomingMessage): Error {
    const { path } = this;
    const { statusCode: status = 0 } = response;
    if (status === 200) return remoeError("MODEL_RANGES_UNSUPPORTED", { path });
    if (GONE.has(status)) return remoeError("MODEL_NOT_FOUND", { path });
    if (DENIED.has(status)) return remoeError("MODEL_ACCESS_DENIED", { path, status });
    if (status === OUT_OF_RANGE && this.#first !== null) return this.#changed(this.#first, "shorter");
    return DownloadFailure.ofStatus(response);
  }

  /** @returns the reply to the range that was asked for, of the file that was there before */
  #check({ first, last }: Range, reply: RangeReply | null): RangeReply {
    if (reply === null) throw remoeError("MODEL_RANGES_UNSUPPORTED", { path: this.path });
    if (reply.first !== first || reply.last !== Math.min(last, reply.size - 1)) {
      const sent = `bytes ${reply.first}-${reply.last} of ${reply.size} instead of ${first}-${last}`;
      throw new DownloadFailure(`the server sent ${sent}`, { isPassing: false });
    }
    this.#first ??= reply;
    const { size, tag } = this.#first;
    if (reply.size !== size || reply.tag !== tag) throw this.#changed(this.#first, describe(reply));
    return reply;
  }

  #changed(before: RangeReply, now: string): RemoeError {
    return remoeError("MODEL_CHANGED", { path: this.path, before: describe(before), now });
  }
}

function describe({ size, tag }: RangeReply): string {
  return tag === null ? `${size} bytes` : `${size} bytes, ${tag}`;
}
