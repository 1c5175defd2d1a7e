import type { Engine } from "../engine.ts";
import type { Float64Model } from "./float64-model.ts";
import { runGeneration } from "./run-generation.ts";

/** Largest error of a logit over the largest logit, for every step of a short answer. */
export async function formulaErrors(
  engine: Engine,
  formulas: Float64Model,
  prompt: readonly number[],
): Promise<readonly number[]> {
  const { tokens, logits } = await runGeneration(engine, prompt, { maxTokens: 3 });
  return logits.map((actual, step) => relativeError(actual, formulas.logits([...prompt, ...tokens.slice(0, step)])));
}

function relativeError(actual: Float32Array, expected: Float64Array): number {
  const largest = (values: Float64Array): number => values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  return largest(expected.map((value, i) => (actual[i] as number) - value)) / largest(expected);
}
