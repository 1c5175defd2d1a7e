import type { FastifyRequest } from "fastify";
import { isRemoeError, type RemoeError, remoeError } from "../core/errors.ts";
import type { Logger } from "./log.ts";

/** Turns what a handler threw into an error of the catalogue, and logs it if it is our fault or the platform's. */
export function reportError(thrown: unknown, request: FastifyRequest, logger: Logger): RemoeError {
  const error = isRemoeError(thrown) ? thrown : fromFramework(thrown, request);
  if (error.entry.httpStatus >= 500 && !request.routeOptions.config.probe) {
    const log = error.entry.retryable ? logger.warn : logger.error;
    log(error.message, { requestId: request.id, code: error.publicCode, cause: describeCause(error.cause) });
  }
  return error;
}

interface FrameworkError {
  readonly code?: string;
  readonly statusCode?: number;
  readonly message: string;
}

function fromFramework(thrown: unknown, request: FastifyRequest): RemoeError {
  const { code, statusCode, message } = thrown instanceof Error ? (thrown as FrameworkError) : { message: "" };
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return remoeError("BODY_TOO_LARGE", { limitBytes: request.routeOptions.bodyLimit });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return remoeError("CONTENT_TYPE_UNSUPPORTED", { contentType: request.headers["content-type"] ?? "" });
    case "FST_ERR_BAD_URL":
      return remoeError("ROUTE_NOT_FOUND", { method: request.method, path: request.url });
  }
  if (statusCode !== undefined && statusCode < 500) {
    return remoeError("BODY_INVALID", { reason: message });
  }
  return remoeError("INTERNAL", {}, thrown);
}

function describeCause(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.stack : undefined;
}
