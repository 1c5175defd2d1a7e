import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { remoeError } from "../core/errors.ts";
import { applyCors } from "./cors.ts";
import type { Guard } from "./guard.ts";
import { toErrorBody } from "./openai/error-body.ts";
import { reportError } from "./report-error.ts";
import { addCompletionRoutes } from "./routes/completions.ts";
import { addModelRoutes } from "./routes/models.ts";
import { addOperationRoutes } from "./routes/operations.ts";
import type { ServerContext } from "./server-context.ts";
import type { RequestTrace } from "./trace.ts";
import { whenClosed } from "./when-closed.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set when a completion ends. */
    trace: RequestTrace | null;
  }
}

export interface ServerOptions {
  readonly guard: Guard;
  readonly corsOrigins: readonly string[];
  readonly bodyLimitBytes: number;
}

/** A client has this long to send its headers and body. */
const RECEIVE_TIMEOUT_MS = 60_000;

/** What a client may call its request: enough for UUIDs and trace ids, nothing that breaks a log line. */
const SANE_REQUEST_ID = /^[\w.:-]{1,128}$/;

/** The HTTP server of a gateway, not listening yet. */
export function createServer(context: ServerContext, options: ServerOptions): FastifyInstance {
  const app = fastify({
    bodyLimit: options.bodyLimitBytes,
    requestTimeout: RECEIVE_TIMEOUT_MS,
    forceCloseConnections: true, // else closing waits for idle and aborted connections for a minute
    genReqId: chooseRequestId,
    frameworkErrors: sendError,
  });

  function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const reported = reportError(error, request, context.logger);
    const { retryAfterS } = reported.details;
    if (retryAfterS !== undefined) {
      reply.header("retry-after", retryAfterS);
    }
    reply.header("x-request-id", request.id).code(reported.entry.httpStatus).send(toErrorBody(reported));
  }

  readOnlyJson(app);
  app.decorateRequest("trace", null);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    recordWhenClosed(request, reply, context);
    if (applyCors(options.corsOrigins, request, reply)) {
      return reply;
    }
    if (!request.routeOptions.config.probe) {
      options.guard({ authorization: request.headers.authorization, hostname: request.hostname });
    }
  });
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(({ method, url }) => {
    throw remoeError("ROUTE_NOT_FOUND", { method, path: url.replace(/\?.*/s, "") });
  });
  addCompletionRoutes(app, context);
  addModelRoutes(app, context);
  addOperationRoutes(app, context);
  return app;
}

function chooseRequestId({ headers }: IncomingMessage): string {
  const sent = headers["x-request-id"];
  return typeof sent === "string" && SANE_REQUEST_ID.test(sent) ? sent : randomUUID();
}

/** JSON in valid UTF-8 is the only body we read; HTML forms of foreign pages in particular are refused. */
function readOnlyJson(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "application/json",
    { parseAs: "buffer" },
    async (_request: FastifyRequest, body: Buffer) => {
      try {
        return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
      } catch (error) {
        throw remoeError("BODY_INVALID", { reason: (error as Error).message });
      }
    },
  );
}

/** One line and one count a request, when its answer is complete or its client has gone (499, as nginx says). */
function recordWhenClosed(request: FastifyRequest, reply: FastifyReply, { logger, metrics }: ServerContext): void {
  if (request.routeOptions.config.probe) {
    return;
  }
  whenClosed(reply.raw, (complete) => {
    const route = request.routeOptions.url ?? "unknown";
    const status = complete ? reply.statusCode : 499;
    metrics.countRequest(route, status);
    logger.info("request", { requestId: request.id, method: request.method, route, status, ...summary(request.trace) });
  });
}

function summary(trace: RequestTrace | null) {
  if (trace === null) {
    return {};
  }
  const { model, finishReason, promptTokens, completionTokens, timings } = trace;
  return { model, finishReason, promptTokens, completionTokens, ttftMs: timings.ttftMs, totalMs: timings.totalMs };
}
