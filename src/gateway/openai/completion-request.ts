import { z } from "zod";
import type { Prompt } from "../prompt.ts";
import { type ApiRequest, sharedFields, toDelivery, toSampling, toStop } from "./api-request.ts";
import { parseBody, unsupported } from "./parse-body.ts";

const tokens = z.array(z.int());

const schema = z.object({
  ...sharedFields,
  // OpenAI's arrays are batches with one choice each; a batch of one is one prompt.
  prompt: z.union(
    [
      z.string().transform((text): Prompt => ({ type: "text", text })),
      z.tuple([z.string()]).transform(([text]): Prompt => ({ type: "text", text })),
      z.tuple([tokens]).transform(([only]): Prompt => ({ type: "tokens", tokens: only })),
      tokens.transform((all): Prompt => ({ type: "tokens", tokens: all })),
    ],
    { error: "must be one text or one array of token ids" },
  ),
  logprobs: z.int().min(0).max(5).nullish(),
  best_of: unsupported("asks for more than one candidate, and a request gets one", (value) => value === 1),
  echo: unsupported("asks for the prompt in the answer, which has generated text only", (value) => value === false),
  suffix: unsupported("asks for text between two others, and text can only be continued", (value) => value === ""),
});

/** Reads the body of POST /v1/completions. @throws REQUEST_INVALID, REQUEST_UNSUPPORTED */
export function parseCompletionRequest(body: unknown, randomSeed: () => number): ApiRequest {
  const fields = parseBody(schema, body);
  return {
    ...toDelivery(fields),
    completion: {
      prompt: fields.prompt,
      maxTokens: fields.max_tokens ?? null,
      stop: toStop(fields),
      sampling: toSampling(fields, randomSeed),
      topLogprobs: fields.logprobs ?? null,
    },
  };
}
