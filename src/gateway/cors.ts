import type { FastifyReply, FastifyRequest } from "fastify";

const ALLOWED = {
  "access-control-allow-methods": "GET, POST",
  "access-control-allow-headers": "authorization, content-type, x-request-id",
  "access-control-max-age": "600",
};

/**
 * Lets web pages of the listed origins (`*`: of any) call the API; all others stay shut out by their browser.
 * @returns whether the request was a preflight and has its answer now
 */
export function applyCors(origins: readonly string[], request: FastifyRequest, reply: FastifyReply): boolean {
  const { origin } = request.headers;
  if (origin === undefined || !(origins.includes(origin) || origins.includes("*"))) {
    return false;
  }
  reply.headers({
    vary: "origin",
    "access-control-allow-origin": origin,
    "access-control-expose-headers": "x-request-id, retry-after",
  });
  if (request.method !== "OPTIONS" || request.headers["access-control-request-method"] === undefined) {
    return false;
  }
  reply.headers(ALLOWED).code(204).send();
  return true;
}
