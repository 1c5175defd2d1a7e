import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { authorisation, isAuthorised } from "./authorisation.ts";
import { listenAt } from "./listen-at.ts";
import type { ReadyReport } from "./spec.ts";

export interface ControlServerOptions {
  /** An endpoint as in src/wire/endpoint.ts. */
  readonly listen: string;
  readonly secret: string;
  /** How long the function goes on without a lifeline. */
  readonly graceMs: number;
  /** There has been no lifeline for that long. */
  readonly onAlone: () => void;
}

export interface ControlServer {
  /** Where it listens, with the port filled in. */
  readonly endpoint: string;
  /** From now on the function is ready. */
  report(report: ReadyReport): void;
  close(): void;
}

/**
 * What a function in a pod has instead of a parent process. `GET /start`, for who knows the secret, answers with the
 * start report as a line of JSON as soon as there is one and stays open: it is a lifeline, and a function that none is
 * connected to for a while is needed by nobody. `GET /readyz` is for probes.
 */
export async function serveControl(options: ControlServerOptions): Promise<ControlServer> {
  const { secret, graceMs, onAlone } = options;
  const expected = authorisation(secret);
  const lifelines = new Set<ServerResponse>();
  let ready: string | null = null;
  let alone = setTimeout(onAlone, graceMs);

  const hold = (response: ServerResponse): void => {
    clearTimeout(alone);
    lifelines.add(response);
    response.once("close", () => {
      lifelines.delete(response);
      if (lifelines.size === 0) alone = setTimeout(onAlone, graceMs);
    });
    response.writeHead(200, { "content-type": "application/x-ndjson" }).flushHeaders();
    if (ready !== null) response.write(ready);
  };
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const route = `${request.method} ${request.url}`;
    if (route === "GET /readyz") response.writeHead(ready === null ? 503 : 200).end();
    else if (route !== "GET /start") response.writeHead(404).end();
    else if (isAuthorised(request, expected)) hold(response);
    else response.writeHead(401).end();
  };

  const server = createServer(answer);
  const endpoint = await listenAt(server, options.listen);
  return {
    endpoint,
    report(report) {
      ready = `${JSON.stringify(report)}\n`;
      for (const lifeline of lifelines) lifeline.write(ready);
    },
    close() {
      clearTimeout(alone);
      server.close();
      server.closeAllConnections();
    },
  };
}
