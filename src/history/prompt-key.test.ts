import { expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { promptKey } from "./prompt-key.ts";

const DIMENSIONS = 128;
const random = createRandom(7);
const EMBEDDINGS = Array.from({ length: 100 }, () => Float32Array.from({ length: DIMENSIONS }, () => random() - 0.5));

function keyOf(tokens: readonly number[]): string {
  const sum = new Float32Array(DIMENSIONS);
  for (const token of tokens)
    EMBEDDINGS[token]?.forEach((value, i) => {
      sum[i] = (sum[i] as number) + value;
    });
  return promptKey(sum);
}

const PROMPT = Array.from({ length: 40 }, (_, i) => (i * 37) % 100);

it("a prompt has the key of its tokens in another order", () => {
  expect(keyOf(PROMPT.toReversed())).toBe(keyOf(PROMPT));
});

it("a prompt repeated has its key: the vector points the same way", () => {
  expect(keyOf([...PROMPT, ...PROMPT])).toBe(keyOf(PROMPT));
});

it("a prompt with one token changed has another key", () => {
  const keys = PROMPT.map((_, i) => keyOf(PROMPT.with(i, 99)));
  expect(new Set([keyOf(PROMPT), ...keys]).size).toBeGreaterThan(PROMPT.length - 1);
});

it("a vector of zeros has a key too", () => {
  expect(keyOf([])).toBe(promptKey(new Float32Array(DIMENSIONS)));
});
