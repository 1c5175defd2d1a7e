import { remoeError } from "../core/errors.ts";
import type { ChatMessage, ChatTemplate } from "../model/chat-template.ts";
import type { Tokenizer } from "../model/tokenizer.ts";

/** What a model is asked: text to continue, the same as token ids, or a conversation to answer. */
export type Prompt =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "tokens"; readonly tokens: readonly number[] }
  | {
      readonly type: "chat";
      readonly messages: readonly ChatMessage[];
      /** More variables for the chat template. */
      readonly extra?: Readonly<Record<string, unknown>>;
    };

/** What the gateway holds of a model: its vocabulary, no weights. */
export interface ServedModel {
  /** The name clients ask for. */
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  /** Tokens that prompt and answer share. */
  readonly contextLength: number;
  readonly tokenizer: Tokenizer;
  /** `null` for a model without a chat template, which can only continue text. */
  readonly template: ChatTemplate | null;
}

/**
 * The prompt as the tokens that are prefilled.
 * @throws PROMPT_EMPTY, CONTEXT_LENGTH_EXCEEDED (at least one token must be left for the answer), REQUEST_INVALID for
 * token ids outside the vocabulary, CHAT_TEMPLATE_MISSING, and what the template throws
 */
export function encodePrompt(prompt: Prompt, model: ServedModel): readonly number[] {
  const tokens = toTokens(prompt, model);
  if (tokens.length === 0) {
    throw remoeError("PROMPT_EMPTY", {});
  }
  if (tokens.length >= model.contextLength) {
    throw remoeError("CONTEXT_LENGTH_EXCEEDED", {
      promptTokens: tokens.length,
      contextLength: model.contextLength,
    });
  }
  return tokens;
}

function toTokens(prompt: Prompt, { tokenizer, template }: ServedModel): readonly number[] {
  switch (prompt.type) {
    case "text":
      return tokenizer.encode(prompt.text, { addSpecial: true, parseSpecial: false });
    case "tokens":
      return checkedTokens(prompt.tokens, tokenizer);
    case "chat": {
      if (template === null) {
        throw remoeError("CHAT_TEMPLATE_MISSING", {});
      }
      // The template writes BOS itself where the model wants it.
      const text = template.render(prompt.messages, { addGenerationPrompt: true, extra: prompt.extra });
      return tokenizer.encode(text, { addSpecial: false, parseSpecial: true });
    }
  }
}

function checkedTokens(tokens: readonly number[], { size }: Tokenizer): readonly number[] {
  const stray = tokens.find((token) => !Number.isInteger(token) || token < 0 || token >= size);
  if (stray !== undefined) {
    throw remoeError("REQUEST_INVALID", {
      param: "prompt",
      problem: `has the token ${stray}, outside the vocabulary of ${size} tokens`,
    });
  }
  return tokens;
}
