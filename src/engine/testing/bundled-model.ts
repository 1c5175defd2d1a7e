import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Native } from "../../ggml/library.ts";
import { Vocabulary } from "../../ggml/vocabulary.ts";
import { readGguf } from "../../gguf/read.ts";
import { createChatTemplate } from "../../model/chat-template.ts";

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** The trained model that comes with Remoe. */
export const BUNDLED_MODEL = fromRoot("models/tiny-moe/tiny-moe-q8_0.gguf");

/** Its test prompts, an object a line. */
export const BUNDLED_PROMPTS = fromRoot("models/tiny-moe/prompts/bundle-test.jsonl");

/** The first `count` prompts of the bundled test set as the chat model reads them. */
export function bundledPrompts(native: Native, count: number): number[][] {
  using vocabulary = new Vocabulary(native, BUNDLED_MODEL);
  const template = createChatTemplate(readGguf(BUNDLED_MODEL).metadata.string("tokenizer.chat_template"));
  const lines = readFileSync(BUNDLED_PROMPTS, "utf8").split("\n");
  return lines.slice(0, count).map((line) => {
    const { prompt } = JSON.parse(line) as { prompt: string };
    const text = template.render([{ role: "user", content: prompt }], { addGenerationPrompt: true });
    return vocabulary.encode(text, { addSpecial: true, parseSpecial: true });
  });
}
