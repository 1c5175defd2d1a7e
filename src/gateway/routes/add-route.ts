import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from "fastify";
import { remoeError } from "../../core/errors.ts";

export interface Route {
  readonly method: "GET" | "POST";
  readonly url: string;
  /** A probe answers everybody and is neither logged nor counted. */
  readonly probe?: boolean;
  readonly handler: (request: FastifyRequest, reply: FastifyReply) => unknown;
}

declare module "fastify" {
  interface FastifyContextConfig {
    readonly probe?: boolean;
  }
}

const METHODS: readonly HTTPMethods[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Adds a route; every other method of its address is refused with 405. */
export function addRoute(app: FastifyInstance, { method, url, probe = false, handler }: Route): void {
  const allowed: readonly HTTPMethods[] = method === "GET" ? ["GET", "HEAD"] : [method];
  const config = { probe };
  app.route({ method, url, config, handler });
  app.route({
    method: METHODS.filter((other) => !allowed.includes(other)),
    url,
    config,
    // Before the body is read: its type does not matter any more.
    onRequest(request, reply) {
      reply.header("allow", allowed.join(", "));
      throw remoeError("METHOD_NOT_ALLOWED", { path: url, method: request.method, allowed: allowed.join(" or ") });
    },
    handler: () => {},
  });
}
