import { randomInt } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { type RemoeError, remoeError } from "../core/errors.ts";
import type { Platform } from "../platform/platform.ts";
import { createGuard, isLoopback } from "./guard.ts";
import { createInFlight, type InFlight } from "./in-flight.ts";
import { type Logger, silentLogger } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import type { Pipeline } from "./pipeline.ts";
import { createServer } from "./server.ts";
import type { ServerContext } from "./server-context.ts";

export interface GatewayOptions {
  /** One a model, at least one; the first answers requests that name no model. */
  readonly pipelines: readonly Pipeline[];
  readonly version: string;
  /** Where the pipelines' functions run, for metrics and `GET /remoe/instances`. Defaults to none. */
  readonly platforms?: readonly Platform[];
  /** Address to listen on. Defaults to `127.0.0.1`. */
  readonly host?: string;
  /** Defaults to 8000; 0 takes any free port. */
  readonly port?: number;
  /** Clients must send it as bearer token. Defaults to none, which only a loopback address may have. */
  readonly apiKey?: string | null;
  /** Listen on other addresses without a key all the same. Defaults to false. */
  readonly allowUnprotected?: boolean;
  /** Origins whose web pages may call the API, `*` for all. Defaults to none. */
  readonly corsOrigins?: readonly string[];
  /** Defaults to 4 MiB, some million tokens. */
  readonly bodyLimitBytes?: number;
  /** Silence after which a stream sends a comment. Defaults to 15 s, below the idle limits of common proxies. */
  readonly pingMs?: number;
  /** Seeds of requests that send none. Defaults to random ones. */
  readonly randomSeed?: () => number;
  /** Defaults to silence. */
  readonly logger?: Logger;
}

export interface Gateway {
  /** For further routes, and for requests without a socket (`server.inject`). */
  readonly server: FastifyInstance;
  /**
   * Starts to accept requests.
   * @throws LISTEN_FAILED
   */
  listen(): Promise<{ readonly url: string }>;
  /**
   * Refuses new requests, lets accepted ones end until the deadline, aborts the rest and closes. Main functions are
   * left running: who started them stops them.
   */
  stop(deadlineMs: number): Promise<void>;
}

/** How long aborted answers have to tell their clients. */
const FAREWELL_MS = 500;

/**
 * The OpenAI-style HTTP server before a set of models. Starts no process and reads no file.
 * @throws LISTEN_UNPROTECTED for an address that other machines reach, without a key and without permission
 */
export function createGateway(options: GatewayOptions): Gateway {
  const { pipelines, host = "127.0.0.1", port = 8000, apiKey = null } = options;
  if (apiKey === null && !isLoopback(host) && options.allowUnprotected !== true) {
    throw remoeError("LISTEN_UNPROTECTED", { host });
  }
  const inFlight = createInFlight();
  let stopping: RemoeError | null = null;
  const context = createContext(options, inFlight, () => stopping);
  const server = createServer(context, {
    guard: createGuard({ host, apiKey }),
    corsOrigins: options.corsOrigins ?? [],
    bodyLimitBytes: options.bodyLimitBytes ?? 4 * 2 ** 20,
  });

  return {
    server,
    async listen() {
      try {
        return { url: await server.listen({ host, port }) };
      } catch (error) {
        throw remoeError("LISTEN_FAILED", { host, port, reason: (error as Error).message }, error);
      }
    },
    async stop(deadlineMs) {
      const reason = remoeError("SHUTTING_DOWN", { retryAfterS: Math.max(1, Math.ceil(deadlineMs / 1000)) });
      stopping = reason;
      for (const { admission } of pipelines) {
        admission.close(reason);
      }
      if (!(await inFlight.drained(deadlineMs))) {
        inFlight.abort(reason);
        await inFlight.drained(FAREWELL_MS);
      }
      context.metrics.close();
      await server.close();
    },
  };
}

function createContext(
  { pipelines, version, platforms = [], ...options }: GatewayOptions,
  inFlight: InFlight,
  unavailable: ServerContext["unavailable"],
): ServerContext {
  return {
    pipelines: new Map(pipelines.map((pipeline) => [pipeline.model.id, pipeline])),
    inFlight,
    platforms,
    metrics: createMetrics({
      version,
      admissions: pipelines.map(({ admission }) => admission),
      priceBooks: pipelines.map(({ priceBook }) => priceBook),
      platforms,
    }),
    logger: options.logger ?? silentLogger,
    version,
    pingMs: options.pingMs ?? 15_000,
    randomSeed: options.randomSeed ?? (() => randomInt(2 ** 32)),
    unavailable,
  };
}
