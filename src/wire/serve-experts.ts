import { once } from "node:events";
import type { AddressInfo, Server } from "node:net";
import { remoeError } from "../core/errors.ts";
import { type Endpoint, formatEndpoint, isHttp, parseEndpoint } from "./endpoint.ts";
import type { ExpertHandler } from "./expert-call.ts";
import { ExpertService } from "./expert-service.ts";
import { createHttpServer } from "./http-server.ts";
import { resolveServeOptions, type ServeOptions } from "./serve-options.ts";
import { createSocketServer } from "./socket-server.ts";

export interface ExpertServer {
  /** Where it listens, with the real port. */
  readonly endpoint: string;
  /** Finishes the calls already received, refuses new ones, and resolves when every connection has closed. */
  drain(): Promise<void>;
  /** Closes everything at once. */
  close(): void;
}

/** Above what the functions of one gateway open; the rest is turned away before it costs anything. */
const MAX_CONNECTIONS = 1024;

/**
 * Serves the experts of a handler. Calls are checked against the handler and computed one after the other in the order
 * in which they arrive, over all connections; one that is cancelled, whose connection closed or whose deadline passed
 * while it waited is dropped.
 * @param listen endpoint; port 0 takes any free port
 * @throws ENDPOINT_INVALID, EXPERT_LISTEN_FAILED
 */
export async function serveExperts(
  handler: ExpertHandler,
  listen: string,
  options: ServeOptions,
): Promise<ExpertServer> {
  const target = parseEndpoint(listen);
  const resolved = resolveServeOptions(options, target);
  const secure = target.type === "tls" || target.type === "https";
  if (secure && resolved.tls === undefined) throw listenFailed(target, "TLS needs a key and a certificate");
  const service = new ExpertService(handler, { ...resolved, endpoint: listen });
  const context = { ...resolved, endpoint: listen, service, model: handler };
  const createServer = isHttp(target) ? createHttpServer : createSocketServer;
  const { server, endAll, destroyAll } = createServer(target, context);
  server.maxConnections = MAX_CONNECTIONS;
  await startListening(server, target);
  // A connection that cannot be accepted, e.g. for want of file descriptors, is its peer's trouble alone.
  server.on("error", () => {});

  async function drain(): Promise<void> {
    const closed = server.listening ? once(server, "close") : Promise.resolve();
    server.close();
    await service.drain();
    endAll();
    await closed;
  }

  function close(): void {
    server.close();
    destroyAll();
  }

  return { endpoint: formatEndpoint(withRealPort(target, server)), drain, close };
}

async function startListening(server: Server, target: Endpoint): Promise<void> {
  if ("path" in target) server.listen(target.path);
  else server.listen(target.port, target.host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw listenFailed(target, error instanceof Error ? error.message : String(error));
  }
}

function listenFailed(target: Endpoint, reason: string): Error {
  return remoeError("EXPERT_LISTEN_FAILED", { endpoint: formatEndpoint(target), reason });
}

function withRealPort(target: Endpoint, server: Server): Endpoint {
  return "path" in target ? target : { ...target, port: (server.address() as AddressInfo).port };
}
