import { z } from "zod";
import type { ChatMessage } from "../../model/chat-template.ts";
import { type ApiRequest, sharedFields, toDelivery, toSampling, toStop } from "./api-request.ts";
import { parseBody, unsupported } from "./parse-body.ts";

const isEmptyArray = (value: unknown) => Array.isArray(value) && value.length === 0;
const isPlainText = (value: unknown) => (value as { type?: unknown } | null)?.type === "text";
const isTextOnly = (value: unknown) => Array.isArray(value) && value.every((modality) => modality === "text");
const isNoCall = (value: unknown) => value === "none" || value === "auto";

const NO_TOOLS = "asks for tool calls, which answers do not have";

/** Clients write an absent field as null, too. */
const optional = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? undefined);

// Parts that are not text are the chat template's to refuse: it knows what the model reads.
const content = z.union([z.string(), z.array(z.object({ type: z.string(), text: z.string().optional() }))], {
  error: "must be text or an array of parts",
});

const toolCall = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const message = z.discriminatedUnion(
  "role",
  [
    z.object({ role: z.enum(["system", "user"]), content, name: optional(z.string()) }),
    // Templates know the older name of the role.
    z.object({ role: z.literal("developer").transform(() => "system"), content, name: optional(z.string()) }),
    z.object({
      role: z.literal("assistant"),
      content: content.nullish().transform((value) => value ?? null),
      name: optional(z.string()),
      tool_calls: optional(z.array(toolCall)),
    }),
    z.object({ role: z.literal("tool"), content, tool_call_id: z.string() }),
  ],
  {
    error: ({ code }) =>
      code === "invalid_union" ? "must be one of system, developer, user, assistant, tool" : undefined,
  },
) satisfies z.ZodType<ChatMessage>;

const schema = z
  .object({
    ...sharedFields,
    messages: z.array(message).min(1),
    /** OpenAI's newer name of `max_tokens`. */
    max_completion_tokens: z.int().min(1).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
    /** vLLM's: more variables for the chat template, such as `enable_thinking`. */
    chat_template_kwargs: z.record(z.string(), z.unknown()).nullish(),
    tools: unsupported(NO_TOOLS, isEmptyArray),
    tool_choice: unsupported(NO_TOOLS, isNoCall),
    functions: unsupported(NO_TOOLS, isEmptyArray),
    function_call: unsupported(NO_TOOLS, isNoCall),
    response_format: unsupported("asks for a form of answer, which is free text only", isPlainText),
    modalities: unsupported("asks for more than text", isTextOnly),
    audio: unsupported("asks for more than text"),
    web_search_options: unsupported("asks for a web search, and answers come from the model alone"),
  })
  .refine(({ logprobs, top_logprobs }) => logprobs === true || (top_logprobs ?? 0) === 0, {
    path: ["top_logprobs"],
    error: "needs 'logprobs' to be true",
  });

/** Reads the body of POST /v1/chat/completions. @throws REQUEST_INVALID, REQUEST_UNSUPPORTED */
export function parseChatRequest(body: unknown, randomSeed: () => number): ApiRequest {
  const fields = parseBody(schema, body);
  return {
    ...toDelivery(fields),
    completion: {
      prompt: { type: "chat", messages: fields.messages, extra: fields.chat_template_kwargs ?? {} },
      maxTokens: fields.max_completion_tokens ?? fields.max_tokens ?? null,
      stop: toStop(fields),
      sampling: toSampling(fields, randomSeed),
      topLogprobs: fields.logprobs === true ? (fields.top_logprobs ?? 0) : null,
    },
  };
}
