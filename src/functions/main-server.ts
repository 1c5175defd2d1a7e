import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { remoeError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { DoneEvent, ErrorEvent, GenerateRequest, TokenEvent } from "./protocol.ts";
import { toSerialised } from "./to-serialised.ts";

/** A prompt of a million tokens is 8 MB of JSON. */
const MAX_REQUEST_BYTES = 16 << 20;

export interface MainServer {
  /** Takes no new requests; resolves when the running ones have ended. */
  drain(): Promise<void>;
}

/**
 * Serves an engine over HTTP: `POST /generate` answers with one JSON object a line, `GET /readyz` says that it serves.
 * Requests run one after the other; a client that goes away cancels its own.
 */
export async function serveMain(engine: Engine, listen: string): Promise<MainServer> {
  let previous: Promise<void> = Promise.resolve();
  const server = createServer((request, response) => {
    if (request.method === "GET" && request.url === "/readyz") return void response.end("ok");
    if (request.method !== "POST" || request.url !== "/generate") return void response.writeHead(404).end();
    const arrived = performance.now();
    const gone = new AbortController();
    // From here on, not from its turn on: a client may leave while it waits.
    response.once("close", () => gone.abort(remoeError("REQUEST_CANCELLED", {})));
    const turn = previous.then(() => answer(engine, { request, response, arrived, gone: gone.signal }));
    previous = turn.catch(() => {});
  });
  // The gateway keeps its connections: closing an idle one could meet a request on its way. A waiting one has no limit.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.listen(listen);
  await once(server, "listening");
  return { drain: () => drain(server, () => previous) };
}

async function drain(server: Server, running: () => Promise<void>): Promise<void> {
  server.close();
  server.closeIdleConnections();
  await running();
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** performance.now() when the request came in. */
  readonly arrived: number;
  /** Aborts when the client leaves. */
  readonly gone: AbortSignal;
}

async function answer(engine: Engine, { request, response, arrived, gone }: Exchange): Promise<void> {
  if (gone.aborted) return;
  try {
    const generation = JSON.parse(await readBody(request)) as GenerateRequest;
    const queueMs = performance.now() - arrived;
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    for await (const event of engine.generate(generation, gone)) {
      const line = event.type === "done" ? { ...event, timings: { ...event.timings, queueMs } } : event;
      await writeLine(response, line, gone);
    }
  } catch (error) {
    if (!gone.aborted) await writeLine(response, { type: "error", error: toSerialised(error) }, gone);
  } finally {
    response.end();
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_REQUEST_BYTES) {
      throw remoeError("FUNCTION_FAILED", { reason: `the request is larger than ${MAX_REQUEST_BYTES} bytes` });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Waits for a slow reader instead of collecting lines in memory. */
async function writeLine(
  response: ServerResponse,
  line: TokenEvent | DoneEvent | ErrorEvent,
  signal: AbortSignal,
): Promise<void> {
  if (response.write(`${JSON.stringify(line)}\n`)) return;
  await once(response, "drain", { signal });
}
