import type { ExpertCall } from "./expert-call.ts";

/** Σ weight · row by token, added in the order of the rows; products and sums are rounded to f32. → [hidden, tokens] */
export function sumRows({ inputs, tokens }: ExpertCall, weights: Float32Array, rows: Float32Array): Float32Array {
  const sums = new Float32Array(inputs.length);
  const hidden = tokens.length === 0 ? 0 : rows.length / tokens.length;
  tokens.forEach((token, row) => {
    const weight = weights[row] ?? 0;
    const from = row * hidden;
    const to = token * hidden;
    for (let i = 0; i < hidden; i++) {
      sums[to + i] = (sums[to + i] ?? 0) + Math.fround(weight * (rows[from + i] ?? 0));
    }
  });
  return sums;
}
