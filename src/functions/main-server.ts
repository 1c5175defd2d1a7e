import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { remoeError } from "../core/errors.ts";
import type { HttpRoutes } from "../wire/http-routes.ts";
import { authorisation, isAuthorised } from "./authorisation.ts";
import { encodeEvent } from "./event-line.ts";
import { listenAt } from "./listen-at.ts";
import type { MainService } from "./main-service.ts";
import type { FinishRequest, GenerateEvent, GenerateRequest, ReplicaReady } from "./protocol.ts";
import { toSerialised } from "./to-serialised.ts";
import { Turns } from "./turns.ts";

/** A prompt of a million tokens is 8 MB of JSON. */
const MAX_REQUEST_BYTES = 16 << 20;

/** What the server serves. */
export type Generations = Pick<MainService, "generate" | "finish" | "provide">;

export interface MainServerOptions {
  /** An endpoint as in src/wire/endpoint.ts. */
  readonly listen: string;
  readonly secret: string;
  /** Generations that may run at the same time. */
  readonly parallel: number;
  /** What it answers beside these. */
  readonly routes?: HttpRoutes | undefined;
}

export interface MainServer {
  /** Where it listens; the port is filled in. */
  readonly endpoint: string;
  /** Takes no new requests; resolves when the running ones have ended. */
  drain(): Promise<void>;
}

/**
 * Serves a main function over HTTP: `POST /generate` answers with one JSON object a line, `POST /finish` and
 * `POST /replicas` steer a running generation, `GET /readyz` says that it serves. As many generations as may run at the
 * same time do, the others wait in order of arrival; a client that goes away cancels its own.
 */
export async function serveMain(
  service: Generations,
  { listen, secret, parallel, routes: others }: MainServerOptions,
): Promise<MainServer> {
  const turns = new Turns(parallel);
  const expected = authorisation(secret);
  const routes: HttpRoutes = {
    ...others,
    "GET /readyz": (_request, response) => void response.end("ok"),
    "POST /finish": (request, response) =>
      void steer<FinishRequest>(request, response, (body) => service.finish(body.generationId)),
    "POST /replicas": (request, response) =>
      void steer<ReplicaReady>(request, response, (body) => service.provide(body)),
    "POST /generate": (request, response) => {
      const arrived = performance.now();
      const gone = new AbortController();
      // From here on, not from its turn on: a client may leave while it waits.
      response.once("close", () => gone.abort(remoeError("REQUEST_CANCELLED", {})));
      const answered = turns.run(() => answer(service, { request, response, arrived, gone: gone.signal }));
      answered.catch(() => {});
    },
  };
  const server = createServer((request, response) => {
    const route = routes[`${request.method} ${request.url}`];
    if (route === undefined) return void response.writeHead(404).end();
    if (request.method === "POST" && !isAuthorised(request, expected)) return void response.writeHead(401).end();
    route(request, response);
  });
  // The gateway keeps its connections: closing an idle one could meet a request on its way. A waiting one has no limit.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  const endpoint = await listenAt(server, listen);
  return { endpoint, drain: () => drain(server, turns) };
}

async function drain(server: Server, turns: Turns): Promise<void> {
  server.close();
  server.closeIdleConnections();
  await turns.close();
}

async function steer<Body>(
  request: IncomingMessage,
  response: ServerResponse,
  act: (body: Body) => void,
): Promise<void> {
  try {
    act(JSON.parse(await readBody(request)) as Body);
    response.writeHead(204).end();
  } catch (error) {
    response.writeHead(400).end(JSON.stringify(toSerialised(error)));
  }
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** performance.now() when the request came in. */
  readonly arrived: number;
  /** Aborts when the client leaves. */
  readonly gone: AbortSignal;
}

async function answer(service: Generations, { request, response, arrived, gone }: Exchange): Promise<void> {
  if (gone.aborted) return;
  const write = (event: GenerateEvent): Promise<void> => writeLine(response, event, gone);
  try {
    const generation = JSON.parse(await readBody(request)) as GenerateRequest;
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    await service.generate(generation, { arrived, gone, write });
  } catch (error) {
    if (!gone.aborted) await write({ type: "error", error: toSerialised(error) });
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
async function writeLine(response: ServerResponse, event: GenerateEvent, signal: AbortSignal): Promise<void> {
  if (response.write(`${encodeEvent(event)}\n`)) return;
  await once(response, "drain", { signal });
}
