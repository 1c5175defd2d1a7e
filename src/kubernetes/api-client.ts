import type { IncomingMessage } from "node:http";
import { json, text } from "node:stream/consumers";
import { type RemoeError, remoeError } from "../core/errors.ts";
import type { ApiConnection, ApiRequest } from "./api-connection.ts";
import { backOffMs } from "./back-off.ts";

export interface Timing {
  /** Waits so many milliseconds; rejects when the signal aborts. */
  readonly delay: (ms: number, signal?: AbortSignal) => Promise<unknown>;
  /** In [0, 1). */
  readonly random: () => number;
}

/** About ten seconds in all: an API server that is replaced is back within less. */
const MOST_RETRIES = 7;
const ANSWER_MS = 30_000;
/** The server did not take the request. */
const NOT_TAKEN: ReadonlySet<unknown> = new Set(["ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"]);
const TOO_MANY_REQUESTS = 429;
const SERVER_ERROR = 500;

/** Why a request failed, and whether it makes sense to repeat it. */
interface Failure {
  readonly error: RemoeError;
  readonly repeat: "always" | "if idempotent" | "never";
  /** When the server wants it repeated. */
  readonly afterMs: number | null;
}

type Attempt<T> = { readonly value: T } | Failure;

/** The API's HTTP: its errors become ours, and its bad moments are waited out. */
export class ApiClient {
  readonly #connection: ApiConnection;
  readonly #timing: Timing;

  constructor(connection: ApiConnection, timing: Timing) {
    this.#connection = connection;
    this.#timing = timing;
  }

  get server(): string {
    return this.#connection.server;
  }

  /** → the answer's JSON. @throws KUBERNETES_UNREACHABLE, KUBERNETES_REFUSED */
  async call<T>(request: ApiRequest): Promise<T> {
    const { delay, random } = this.#timing;
    for (let failures = 1; ; failures++) {
      const attempt = await this.#attempt<T>(request);
      if ("value" in attempt) return attempt.value;
      if (failures > MOST_RETRIES || !mayRepeat(request, attempt)) throw attempt.error;
      await delay(attempt.afterMs ?? backOffMs(failures, random));
    }
  }

  /** → an answer to read from for as long as it lasts. @throws KUBERNETES_UNREACHABLE, KUBERNETES_REFUSED */
  async stream(request: ApiRequest): Promise<IncomingMessage> {
    const opened = await this.#open(request);
    request.signal?.throwIfAborted();
    if ("value" in opened) return opened.value;
    throw opened.error;
  }

  /** A pause after so many failures in a row. */
  async backOff(failures: number, signal: AbortSignal): Promise<void> {
    await this.#timing.delay(backOffMs(failures, this.#timing.random), signal);
  }

  close(): void {
    this.#connection.close();
  }

  async #attempt<T>(request: ApiRequest): Promise<Attempt<T>> {
    try {
      const opened = await this.#open({ ...request, signal: AbortSignal.timeout(ANSWER_MS) });
      return "value" in opened ? { value: (await json(opened.value)) as T } : opened;
    } catch (error) {
      return this.#loss(error);
    }
  }

  async #open(request: ApiRequest): Promise<Attempt<IncomingMessage>> {
    try {
      const response = await this.#connection.send(request);
      const { statusCode: status = SERVER_ERROR } = response;
      return status < 300 ? { value: response } : await refusal(request, response);
    } catch (error) {
      return this.#loss(error);
    }
  }

  #loss(cause: unknown): Failure {
    const { message, code } = cause as NodeJS.ErrnoException;
    const error = remoeError("KUBERNETES_UNREACHABLE", { server: this.server, reason: message || String(code) }, cause);
    return { error, repeat: NOT_TAKEN.has(code) ? "always" : "if idempotent", afterMs: null };
  }
}

function mayRepeat({ method }: ApiRequest, { repeat }: Failure): boolean {
  return repeat === "always" || (repeat === "if idempotent" && method !== "POST");
}

async function refusal({ verb, resource }: ApiRequest, response: IncomingMessage): Promise<Failure> {
  const { statusCode: status = SERVER_ERROR, headers } = response;
  const error = remoeError("KUBERNETES_REFUSED", { status, verb, resource, reason: reasonIn(await text(response)) });
  const wishS = Number(headers["retry-after"] ?? Number.NaN);
  return { error, repeat: repeatAfter(status), afterMs: Number.isFinite(wishS) ? wishS * 1000 : null };
}

function repeatAfter(status: number): Failure["repeat"] {
  if (status === TOO_MANY_REQUESTS) return "always";
  return status >= SERVER_ERROR ? "if idempotent" : "never";
}

/** The API answers with a Status object; what stands between it and us, with anything. */
function reasonIn(body: string): string {
  try {
    const { message } = JSON.parse(body) as { readonly message?: string };
    if (message !== undefined) return message;
  } catch {
    // Told as it is.
  }
  return body.trim() || "it gave no reason";
}
