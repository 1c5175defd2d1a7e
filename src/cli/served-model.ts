import { statSync } from "node:fs";
import { remoeError } from "../core/errors.ts";
import type { ServedModel } from "../gateway/prompt.ts";
import type { ModelSource } from "../gguf/model-source.ts";
import type { GgufFile } from "../gguf/read.ts";
import { type ChatTemplate, createChatTemplate } from "../model/chat-template.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { openVocabulary } from "./open-vocabulary.ts";

/** Long contexts take memory for their cache: more than this only when asked for. */
const DEFAULT_CONTEXT = 4096;

/**
 * Tokens that prompt and answer share: what was asked for, or the model's own, at most 4096.
 * @throws CONTEXT_TOO_LONG
 */
export function chooseContext(trained: number, asked: number | undefined): number {
  const contextLength = asked ?? Math.min(trained, DEFAULT_CONTEXT);
  if (contextLength > trained) throw remoeError("CONTEXT_TOO_LONG", { contextLength, trained });
  return contextLength;
}

/** What turns prompts into tokens, read from a model file: vocabulary and chat template. */
export function readServedModel(file: GgufFile, id: string, contextLength: number): ServedModel {
  const tokenizer = openVocabulary(file);
  return {
    id,
    created: Math.floor(modifiedMs(file) / 1000),
    contextLength,
    tokenizer,
    template: chatTemplate(file, tokenizer),
  };
}

function modifiedMs({ parts }: GgufFile): number {
  const [first] = parts as [ModelSource];
  return first.type === "disk" ? statSync(first.path).mtimeMs : first.modifiedMs;
}

function chatTemplate({ metadata }: GgufFile, tokenizer: Tokenizer): ChatTemplate | null {
  if (!metadata.has("tokenizer.chat_template")) return null;
  const special = (name: string): string | undefined => {
    const key = `tokenizer.ggml.${name}_token_id`;
    return metadata.has(key) ? tokenizer.name(metadata.number(key)) : undefined;
  };
  const [bosToken, eosToken] = [special("bos"), special("eos")];
  return createChatTemplate(metadata.string("tokenizer.chat_template"), {
    ...(bosToken === undefined ? {} : { bosToken }),
    ...(eosToken === undefined ? {} : { eosToken }),
  });
}
