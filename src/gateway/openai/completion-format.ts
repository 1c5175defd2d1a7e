import type { Tokenizer } from "../../model/tokenizer.ts";
import type { DeltaEvent, FinishReason } from "../pipeline.ts";
import type { AnswerFormat, FormatOptions } from "./answer-format.ts";
import { type TokenText, toTokenText } from "./token-text.ts";

/** Answers of POST /v1/completions. */
export function createCompletionFormat({ tokenizer, logprobs }: FormatOptions): AnswerFormat {
  const nextOffset = createOffsets();

  function choice({ text, tokens }: Pick<DeltaEvent, "text" | "tokens">, finishReason: FinishReason | null) {
    const report = logprobs && tokens.length > 0 ? toLogprobs(tokens, tokenizer, nextOffset) : null;
    return { index: 0, text, logprobs: report, finish_reason: finishReason };
  }

  return {
    idPrefix: "cmpl-",
    object: "text_completion",
    chunkObject: "text_completion",
    opening: [],
    delta: (delta) => choice(delta, null),
    closing: (finishReason) => choice({ text: "", tokens: [] }, finishReason),
    whole: choice,
  };
}

/** Where in the answer each token's text begins, asked in order; a character of several tokens begins at its last. */
function createOffsets(): (text: TokenText) => number {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let end = 0;
  return ({ bytes }) => {
    const start = end;
    end += decoder.decode(Uint8Array.from(bytes), { stream: true }).length;
    return start;
  };
}

/** OpenAI's older form: parallel arrays. */
function toLogprobs(tokens: DeltaEvent["tokens"], tokenizer: Tokenizer, nextOffset: (text: TokenText) => number) {
  const texts = tokens.map((token) => toTokenText(token, tokenizer));
  return {
    tokens: texts.map(toName),
    token_logprobs: texts.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) => {
      const alternatives = top.map((alternative) => toTokenText(alternative, tokenizer));
      return Object.fromEntries(alternatives.map((text) => [toName(text), text.logprob]));
    }),
    text_offset: texts.map(nextOffset),
  };
}

/** Tokens are keys here, so those of partial characters show their bytes: `bytes:\xe2\x82`. */
function toName({ token, bytes }: TokenText): string {
  if (!token.includes("\ufffd")) {
    return token;
  }
  return `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
}
