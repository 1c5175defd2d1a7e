import { Agent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { createInterface } from "node:readline";
import { isRemoeError, remoeError, reviveError } from "../core/errors.ts";
import { type Endpoint, parseEndpoint } from "../wire/endpoint.ts";
import { authorisation } from "./authorisation.ts";
import { decodeEvent } from "./event-line.ts";
import type { ErrorEvent, GenerateEvent, MainFunction } from "./protocol.ts";
import { SilenceWatch } from "./silence-watch.ts";

export interface MainClient extends MainFunction {
  close(): void;
}

export interface ConnectMainOptions {
  readonly secret: string;
  /** Asked when the connection breaks: how the process ended, if it did. */
  readonly whyLost: () => Promise<string>;
  /** Silence after which a function is asked whether it still lives. Defaults to 30 s. */
  readonly silenceMs?: number;
}

const OK = 200;
const SILENCE_MS = 30_000;
/** Between two batches of a long prompt a function answers; a batch of a large model may take seconds. */
const ANSWER_MS = 30_000;

/** Talks to a main function. */
export function connectMain(endpoint: string, options: ConnectMainOptions): MainClient {
  const { secret, whyLost, silenceMs = SILENCE_MS } = options;
  const connection = connectionTo(parseEndpoint(endpoint), secret);

  async function* generate(
    ...[request, signal]: Parameters<MainFunction["generate"]>
  ): AsyncGenerator<Exclude<GenerateEvent, ErrorEvent>, void, void> {
    signal.throwIfAborted();
    const hanging = new AbortController();
    const answerMs = Math.min(ANSWER_MS, silenceMs);
    using watch = new SilenceWatch({ silenceMs, answerMs, isAlive, onHang: () => hanging.abort() });
    try {
      const either = AbortSignal.any([signal, hanging.signal]);
      const response = await post(connection, "/generate", { body: request, signal: either });
      yield* readEvents(response, watch);
    } catch (error) {
      signal.throwIfAborted();
      if (isRemoeError(error)) throw error;
      const hung = `it has been silent for ${silenceMs + answerMs} ms and does not answer`;
      throw remoeError(
        "FUNCTION_LOST",
        { role: "main", reason: hanging.signal.aborted ? hung : await whyLost() },
        error,
      );
    }
  }

  /** On a connection of its own: the others may be waiting for a generation. */
  async function isAlive(signal: AbortSignal): Promise<boolean> {
    const response = await send({ ...connection, path: "/readyz", method: "GET", signal });
    response.resume();
    return response.statusCode === OK;
  }

  const steer = async (path: string, body: object): Promise<void> => {
    // A function that is gone has nothing left to steer; its generation fails with the reason.
    const response = await post(connection, path, { body }).catch(() => null);
    response?.resume();
  };

  return {
    generate,
    finish: (generationId) => steer("/finish", { generationId }),
    provide: (ready) => steer("/replicas", ready),
    close: () => connection.agent.destroy(),
  };
}

/** Up to and with `done`. */
async function* readEvents(
  response: IncomingMessage,
  watch: SilenceWatch,
): AsyncGenerator<Exclude<GenerateEvent, ErrorEvent>, void, void> {
  if (response.statusCode !== OK) throw new Error(`it answered with status ${response.statusCode}`);
  const lines = createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY });
  // After the last event nobody reads any more, and the connection may still break.
  lines.on("error", () => {});
  for await (const line of lines) {
    watch.heard();
    const event = decodeEvent(line);
    if (event.type === "error") throw reviveError(event.error);
    yield event;
    if (event.type === "done") return;
  }
  throw new Error("the answer ended early");
}

/** What all requests have in common. */
interface Connection extends RequestOptions {
  readonly agent: Agent;
  readonly headers: Readonly<Record<string, string>>;
}

function connectionTo(endpoint: Endpoint, secret: string): Connection {
  const headers = { authorization: authorisation(secret) };
  if ("path" in endpoint) return { agent: new Agent({ keepAlive: true }), headers, socketPath: endpoint.path };
  const { type, host, port } = endpoint;
  const isSecure = type === "https";
  const agent = new (isSecure ? HttpsAgent : Agent)({ keepAlive: true });
  return { agent, headers, protocol: isSecure ? "https:" : "http:", host, port };
}

function post(
  { headers, ...connection }: Connection,
  path: string,
  { body, signal }: { readonly body: object; readonly signal?: AbortSignal },
): Promise<IncomingMessage> {
  const text = JSON.stringify(body);
  return send(
    {
      ...connection,
      path,
      method: "POST",
      headers: { ...headers, "content-type": "application/json", "content-length": Buffer.byteLength(text) },
      ...(signal === undefined ? {} : { signal }),
    },
    text,
  );
}

function send(options: RequestOptions, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(options);
    request.once("response", resolve);
    request.once("error", reject);
    request.end(body);
  });
}
