import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { createEventStream } from "../event-stream.ts";
import { type AnswerContext, collectAnswer, streamAnswer } from "../openai/answer.ts";
import type { AnswerFormat, FormatOptions } from "../openai/answer-format.ts";
import type { ApiRequest } from "../openai/api-request.ts";
import { createChatFormat } from "../openai/chat-format.ts";
import { parseChatRequest } from "../openai/chat-request.ts";
import { createCompletionFormat } from "../openai/completion-format.ts";
import { parseCompletionRequest } from "../openai/completion-request.ts";
import type { Pipeline } from "../pipeline.ts";
import { reportError } from "../report-error.ts";
import type { ServerContext } from "../server-context.ts";
import { addRoute } from "./add-route.ts";
import { findPipeline } from "./find-pipeline.ts";

/** One of OpenAI's two completion APIs: how it asks and how it answers. */
interface CompletionApi {
  readonly url: string;
  readonly parse: (body: unknown, randomSeed: () => number) => ApiRequest;
  readonly createFormat: (options: FormatOptions) => AnswerFormat;
}

const APIS: readonly CompletionApi[] = [
  { url: "/v1/chat/completions", parse: parseChatRequest, createFormat: createChatFormat },
  { url: "/v1/completions", parse: parseCompletionRequest, createFormat: createCompletionFormat },
];

export function addCompletionRoutes(app: FastifyInstance, context: ServerContext): void {
  for (const api of APIS) {
    addRoute(app, {
      method: "POST",
      url: api.url,
      handler: (request, reply) => complete({ api, context, request, reply }),
    });
  }
}

interface Call {
  readonly api: CompletionApi;
  readonly context: ServerContext;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function complete({ api, context, request, reply }: Call): Promise<unknown> {
  const asked = api.parse(request.body, context.randomSeed);
  const pipeline = findPipeline(context.pipelines, asked.model);
  const events = pipeline.complete(
    { ...asked.completion, requestId: request.id },
    context.inFlight.track(reply),
    (trace) => {
      request.trace = trace;
      context.metrics.observeTrace(trace);
    },
  );
  await events.next(); // accepted; until here errors still have a status of their own
  const answer = toAnswerContext({ api, context, request, reply }, asked, pipeline);
  if (!asked.stream) {
    return await collectAnswer(events, answer);
  }
  reply.headers({ "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
  reply.send(createEventStream(streamAnswer(events, answer), context.pingMs));
  reply.raw.flushHeaders(); // the client learns at once that it waits for a model, not for us
  return reply;
}

function toAnswerContext({ api, context, request }: Call, asked: ApiRequest, { model }: Pipeline): AnswerContext {
  const { sampling, topLogprobs } = asked.completion;
  return {
    requestId: request.id,
    model: model.id,
    created: Math.floor(Date.now() / 1000),
    seed: sampling.seed,
    includeUsage: asked.includeUsage,
    format: api.createFormat({ tokenizer: model.tokenizer, logprobs: topLogprobs !== null }),
    reportError: (error) => reportError(error, request, context.logger),
  };
}
