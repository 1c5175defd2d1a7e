import type { LlamaReference } from "../../ggml/llama-reference.ts";
import { argmax } from "../../model/argmax.ts";
import type { Generation } from "./run-generation.ts";

export interface Comparison {
  /** Largest difference between two logits, over all steps. */
  readonly maxAbsDifference: number;
  readonly steps: number;
  /** What libllama would have chosen at every step. */
  readonly greedy: readonly number[];
}

/** Feeds libllama the same sequence and compares the logits of every step. */
export function compareWithLlama(
  reference: LlamaReference,
  prompt: readonly number[],
  { tokens, logits }: Generation,
): Comparison {
  reference.clear();
  let theirs = reference.decode(prompt, 0);
  let maxAbsDifference = 0;
  const greedy = logits.map((ours, step) => {
    if (step > 0) theirs = reference.decode(tokens.slice(step - 1, step), prompt.length + step - 1);
    maxAbsDifference = Math.max(maxAbsDifference, maxDifference(ours, theirs));
    return argmax(theirs);
  });
  return { maxAbsDifference, steps: logits.length, greedy };
}

function maxDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - (b[i] ?? Number.NaN))), 0);
}
