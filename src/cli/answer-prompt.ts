import { randomUUID } from "node:crypto";
import { remoeError } from "../core/errors.ts";
import type { Pipeline } from "../gateway/pipeline.ts";
import type { Prompt } from "../gateway/prompt.ts";
import type { RequestTrace } from "../gateway/trace.ts";
import type { Sampling } from "../model/sampling.ts";

export interface PromptOptions {
  readonly prompt: Prompt;
  readonly maxTokens: number;
  readonly stop: readonly string[];
  readonly sampling: Sampling;
  /** Called with each new piece of text. */
  readonly onText: (text: string) => void;
}

export interface Answer {
  readonly text: string;
  /** Every generated token, those of a stop text included. */
  readonly tokens: readonly number[];
  readonly trace: RequestTrace;
}

/** Runs one prompt through the pipeline. @throws what `Pipeline.complete` throws */
export async function answerPrompt(pipeline: Pipeline, options: PromptOptions, signal: AbortSignal): Promise<Answer> {
  const { onText, ...asked } = options;
  const request = { ...asked, requestId: randomUUID(), topLogprobs: null };
  const tokens: number[] = [];
  let text = "";
  for await (const event of pipeline.complete(request, signal)) {
    if (event.type === "end") return { text, tokens, trace: event.trace };
    if (event.type === "delta") {
      tokens.push(...event.tokens.map(({ token }) => token));
      text += event.text;
      if (event.text !== "") onText(event.text);
    }
  }
  throw remoeError("INTERNAL", {}, new Error("the pipeline ended without an end event"));
}
