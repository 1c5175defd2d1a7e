import type { Tokenizer } from "../../model/tokenizer.ts";
import type { DeltaEvent } from "../pipeline.ts";
import type { AnswerFormat, FormatOptions } from "./answer-format.ts";
import { toTokenText } from "./token-text.ts";

/** Answers of POST /v1/chat/completions. */
export function createChatFormat({ tokenizer, logprobs }: FormatOptions): AnswerFormat {
  const report = (tokens: DeltaEvent["tokens"]) => (logprobs ? toLogprobs(tokens, tokenizer) : null);
  return {
    idPrefix: "chatcmpl-",
    object: "chat.completion",
    chunkObject: "chat.completion.chunk",
    opening: [{ index: 0, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }],
    delta: ({ text, tokens }) => ({
      index: 0,
      delta: { content: text },
      logprobs: report(tokens),
      finish_reason: null,
    }),
    closing: (finishReason) => ({ index: 0, delta: {}, logprobs: null, finish_reason: finishReason }),
    whole: ({ text, tokens }, finishReason) => ({
      index: 0,
      message: { role: "assistant", content: text, refusal: null },
      logprobs: report(tokens),
      finish_reason: finishReason,
    }),
  };
}

function toLogprobs(tokens: DeltaEvent["tokens"], tokenizer: Tokenizer) {
  return {
    content: tokens.map((token) => ({
      ...toTokenText(token, tokenizer),
      top_logprobs: token.top.map((alternative) => toTokenText(alternative, tokenizer)),
    })),
    refusal: null,
  };
}
