import { createHash } from "node:crypto";

/** Coarse enough for sums of the same numbers in another order, fine enough to tell prompts of a word's difference apart. */
const STEPS = 15;

/**
 * Equal for prompts whose vectors point the same way to about 1/15 of their largest value: the same tokens in any
 * order, and hardly anything else. It needs no token ids, which a history may lack.
 */
export function promptKey(vector: Float32Array): string {
  const largest = vector.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const steps = new Int8Array(vector.map((value) => Math.round((value / largest) * STEPS)));
  return createHash("sha256").update(steps).digest("base64");
}
