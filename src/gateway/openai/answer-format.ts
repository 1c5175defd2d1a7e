import type { Tokenizer } from "../../model/tokenizer.ts";
import type { DeltaEvent, FinishReason } from "../pipeline.ts";

/** A choice of an answer or of a chunk, ready for JSON. */
export type Choice = Readonly<Record<string, unknown>>;

export interface FormatOptions {
  readonly tokenizer: Tokenizer;
  /** Whether log probabilities were asked for. */
  readonly logprobs: boolean;
}

/** How one of OpenAI's two completion APIs writes an answer. One format writes one answer, its deltas in order. */
export interface AnswerFormat {
  readonly idPrefix: string;
  /** OpenAI's `object` of a whole answer and of a chunk. */
  readonly object: string;
  readonly chunkObject: string;
  /** Choices of the chunk before the first delta, if there is one. */
  readonly opening: readonly Choice[];
  delta(delta: Pick<DeltaEvent, "text" | "tokens">): Choice;
  closing(finishReason: FinishReason): Choice;
  whole(answer: Pick<DeltaEvent, "text" | "tokens">, finishReason: FinishReason): Choice;
}
