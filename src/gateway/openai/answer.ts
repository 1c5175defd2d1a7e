import type { RemoeError } from "../../core/errors.ts";
import type { FinishReason, PipelineEvent } from "../pipeline.ts";
import type { RequestTrace } from "../trace.ts";
import type { AnswerFormat, Choice } from "./answer-format.ts";
import { toErrorBody } from "./error-body.ts";

export interface AnswerContext {
  readonly requestId: string;
  readonly model: string;
  /** Unix seconds. */
  readonly created: number;
  readonly seed: number;
  readonly includeUsage: boolean;
  readonly format: AnswerFormat;
  /** Logs an error of a running stream and gives what the client may see of it. */
  readonly reportError: (error: unknown) => RemoeError;
}

/** The whole answer as one JSON object. Errors are thrown. */
export async function collectAnswer(events: AsyncIterable<PipelineEvent>, context: AnswerContext): Promise<object> {
  const deltas = [];
  for await (const event of events) {
    if (event.type === "delta") {
      deltas.push(event);
    } else if (event.type === "end") {
      const text = deltas.map((delta) => delta.text).join("");
      const tokens = deltas.flatMap((delta) => delta.tokens);
      return {
        ...head(context, context.format.object),
        choices: [context.format.whole({ text, tokens }, event.finishReason)],
        usage: toUsage(event.trace),
        x_remoe: toExtension(event.trace, context),
      };
    }
  }
  throw new Error("the pipeline ended without an end event");
}

/** The answer as server-sent events. An error becomes the last event, because the status has left already. */
export async function* streamAnswer(
  events: AsyncIterable<PipelineEvent>,
  context: AnswerContext,
): AsyncGenerator<string, void, void> {
  const { format } = context;
  let opening = format.opening;
  try {
    for await (const event of events) {
      if (event.type === "accepted") {
        continue;
      }
      if (opening.length > 0) {
        yield chunk(opening, context);
        opening = [];
      }
      if (event.type === "delta") {
        yield chunk([format.delta(event)], context);
      } else {
        yield* endOfStream(event.finishReason, event.trace, context);
      }
    }
  } catch (error) {
    yield frame(toErrorBody(context.reportError(error)));
  }
}

/** The last chunk before `[DONE]` carries `x_remoe`. */
function* endOfStream(finishReason: FinishReason, trace: RequestTrace, context: AnswerContext) {
  const closing = [context.format.closing(finishReason)];
  const extension = { x_remoe: toExtension(trace, context) };
  if (context.includeUsage) {
    yield chunk(closing, context);
    yield chunk([], context, { usage: toUsage(trace), ...extension });
  } else {
    yield chunk(closing, context, extension);
  }
  yield "data: [DONE]\n\n";
}

function chunk(choices: readonly Choice[], context: AnswerContext, extra: object = {}): string {
  const usage = context.includeUsage ? { usage: null } : {};
  return frame({ ...head(context, context.format.chunkObject), choices, ...usage, ...extra });
}

function frame(data: object): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function head({ format, requestId, created, model }: AnswerContext, object: string) {
  return { id: `${format.idPrefix}${requestId}`, object, created, model };
}

function toUsage({ promptTokens, completionTokens }: RequestTrace) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

/** What OpenAI has no field for: the seed that was used, where the time went, where the experts were computed and why there, what it cost. */
function toExtension({ timings, experts, prediction, planning, faults, bill }: RequestTrace, { seed }: AnswerContext) {
  return { seed, timings, experts, prediction, planning, faults, bill };
}
