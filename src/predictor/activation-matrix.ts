import type { ActivationMatrix, Shape } from "./example.ts";

/** Scales every row to sum 1; a row of zeros, of which nothing is known, becomes uniform. `values`: [layers × experts] */
export function toActivationMatrix(values: ArrayLike<number>, { layers, experts }: Shape): ActivationMatrix {
  const matrix = new Float32Array(layers * experts);
  for (let start = 0; start < matrix.length; start += experts) {
    let sum = 0;
    for (let i = start; i < start + experts; i++) sum += values[i] as number;
    for (let i = start; i < start + experts; i++) matrix[i] = sum > 0 ? (values[i] as number) / sum : 1 / experts;
  }
  return matrix;
}

/** What nothing known predicts: every expert alike. */
export function uniformMatrix({ layers, experts }: Shape): ActivationMatrix {
  return new Float32Array(layers * experts).fill(1 / experts);
}
