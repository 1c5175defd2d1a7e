import type { FastifyInstance } from "fastify";
import type { ServerContext } from "../server-context.ts";
import { addRoute } from "./add-route.ts";

/** What operators ask: is it alive, can it serve, which version, how is it doing, what does it run. */
export function addOperationRoutes(app: FastifyInstance, context: ServerContext): void {
  const { metrics, platforms, unavailable, version } = context;
  const ready = () => {
    const reason = unavailable();
    if (reason !== null) {
      throw reason;
    }
    return { status: "ok" };
  };
  addRoute(app, { method: "GET", url: "/livez", probe: true, handler: () => ({ status: "ok" }) });
  addRoute(app, { method: "GET", url: "/readyz", probe: true, handler: ready });
  addRoute(app, { method: "GET", url: "/health", probe: true, handler: ready });
  addRoute(app, { method: "GET", url: "/version", probe: true, handler: () => ({ version }) });
  addRoute(app, {
    method: "GET",
    url: "/metrics",
    handler: async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()),
  });
  addRoute(app, {
    method: "GET",
    url: "/remoe/instances",
    handler: () => ({ instances: platforms.flatMap((platform) => platform.list()) }),
  });
}
