import { GgmlType } from "../gguf/types.ts";

/** Which tensor type stores which weights; norms and gates are F32 in every file, as llama.cpp writes them. */
export interface SynthQuant {
  readonly weights: GgmlType;
  /** The output matrix is more sensitive than the rest. */
  readonly output: GgmlType;
  /** llama.cpp's number for the mixture, `general.file_type`. */
  readonly fileType: number;
}

export const SYNTH_QUANTS = {
  F32: { weights: GgmlType.F32, output: GgmlType.F32, fileType: 0 },
  F16: { weights: GgmlType.F16, output: GgmlType.F16, fileType: 1 },
  Q8_0: { weights: GgmlType.Q8_0, output: GgmlType.Q8_0, fileType: 7 },
  Q4_0: { weights: GgmlType.Q4_0, output: GgmlType.Q4_0, fileType: 2 },
  Q4_K: { weights: GgmlType.Q4_K, output: GgmlType.Q6_K, fileType: 15 },
  Q6_K: { weights: GgmlType.Q6_K, output: GgmlType.Q6_K, fileType: 18 },
} as const satisfies Readonly<Record<string, SynthQuant>>;

export type SynthQuantName = keyof typeof SYNTH_QUANTS;
