import type { FastifyInstance } from "fastify";
import type { ServedModel } from "../prompt.ts";
import type { ServerContext } from "../server-context.ts";
import { addRoute } from "./add-route.ts";
import { findPipeline } from "./find-pipeline.ts";

export function addModelRoutes(app: FastifyInstance, { pipelines }: ServerContext): void {
  addRoute(app, {
    method: "GET",
    url: "/v1/models",
    handler: () => ({ object: "list", data: [...pipelines.values()].map(({ model }) => describeModel(model)) }),
  });
  // A wildcard, because ids such as `org/model` contain slashes.
  addRoute(app, {
    method: "GET",
    url: "/v1/models/*",
    handler: ({ params }) => describeModel(findPipeline(pipelines, (params as { "*": string })["*"]).model),
  });
}

/** OpenAI's model object, and vLLM's name for the length of the context. */
function describeModel({ id, created, contextLength }: ServedModel) {
  return { id, object: "model", created, owned_by: "remoe", max_model_len: contextLength };
}
