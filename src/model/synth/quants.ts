import { GgmlType, TYPE_TRAITS } from "../../gguf/types.ts";

/** Which tensor type stores which matrix. Vectors and gates are F32 in every file, as llama.cpp writes them. */
export interface SynthQuant {
  readonly weights: GgmlType;
  /** The output matrix is more sensitive than the rest. */
  readonly output: GgmlType;
  /** Of the experts where they have a type of their own. */
  readonly experts?: GgmlType;
  /** Of attention's values and the matrices back to the hidden state, in the layers that llama.cpp gives more bits. */
  readonly sensitive?: GgmlType;
  /** llama.cpp's number for the mixture, `general.file_type`. */
  readonly fileType: number;
}

const uniform = (weights: GgmlType, fileType: number): SynthQuant => ({ weights, output: weights, fileType });
/** Below 6 bits, llama.cpp stores the output matrix in Q6_K. */
const small = (weights: GgmlType, fileType: number): SynthQuant => ({ weights, output: GgmlType.Q6_K, fileType });

export const SYNTH_QUANTS = {
  F32: uniform(GgmlType.F32, 0),
  F16: uniform(GgmlType.F16, 1),
  BF16: uniform(GgmlType.BF16, 32),
  Q8_0: uniform(GgmlType.Q8_0, 7),
  Q4_0: uniform(GgmlType.Q4_0, 2),
  Q4_1: uniform(GgmlType.Q4_1, 3),
  Q5_0: uniform(GgmlType.Q5_0, 8),
  Q5_1: uniform(GgmlType.Q5_1, 9),
  Q2_K: small(GgmlType.Q2_K, 10),
  Q3_K: small(GgmlType.Q3_K, 11),
  Q4_K: small(GgmlType.Q4_K, 14),
  /** As real files of 4 bits are: the sensitive matrices of half the layers in 6 bits. */
  Q4_K_M: { ...small(GgmlType.Q4_K, 15), sensitive: GgmlType.Q6_K },
  Q5_K: small(GgmlType.Q5_K, 16),
  Q6_K: uniform(GgmlType.Q6_K, 18),
  IQ1_S: small(GgmlType.IQ1_S, 24),
  IQ1_M: small(GgmlType.IQ1_M, 31),
  IQ2_XXS: small(GgmlType.IQ2_XXS, 19),
  IQ2_XS: small(GgmlType.IQ2_XS, 20),
  IQ2_S: small(GgmlType.IQ2_S, 28),
  IQ3_XXS: small(GgmlType.IQ3_XXS, 23),
  IQ3_S: small(GgmlType.IQ3_S, 26),
  IQ4_NL: uniform(GgmlType.IQ4_NL, 25),
  IQ4_XS: small(GgmlType.IQ4_XS, 30),
  /** As gpt-oss is published: only the experts in 4 bits. */
  MXFP4: { ...uniform(GgmlType.Q8_0, 38), experts: GgmlType.MXFP4 },
} as const satisfies Readonly<Record<string, SynthQuant>>;

export type SynthQuantName = keyof typeof SYNTH_QUANTS;

/** Where a matrix is: its name without `blk.N.`, its layer out of how many. */
export interface MatrixPlace {
  readonly name: string;
  readonly layer: number;
  readonly layers: number;
}

/** The type that stores a matrix with rows of `columns` elements. */
export function matrixType(quant: SynthQuant, place: MatrixPlace, columns: number): GgmlType {
  const wanted = wantedType(quant, place);
  if (fits(wanted, columns)) return wanted;
  const fallback = FALLBACK[wanted];
  return fallback !== undefined && fits(fallback, columns) ? fallback : GgmlType.F16;
}

function wantedType({ weights, output, experts, sensitive }: SynthQuant, place: MatrixPlace): GgmlType {
  if (place.name === "output") return output;
  if (experts !== undefined && place.name.endsWith("_exps")) return experts;
  if (sensitive !== undefined && isSensitive(place.name) && getsMoreBits(place)) return sensitive;
  return weights;
}

function isSensitive(name: string): boolean {
  return /^(attn_(v|v_b|kv_b|qkv)|ffn_down.*)$/.test(name);
}

/** llama.cpp's choice: the first and last eighth of the layers, and every third between. */
function getsMoreBits({ layer, layers }: MatrixPlace): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

/** Whether rows of `columns` elements are a whole number of the type's blocks. */
export function fits(type: GgmlType, columns: number): boolean {
  return columns % TYPE_TRAITS[type].blockElements === 0;
}

/** For rows that are no whole number of blocks: llama.cpp's next larger type with blocks of 32. */
const FALLBACK: Partial<Record<GgmlType, GgmlType>> = {
  [GgmlType.Q2_K]: GgmlType.Q4_0,
  [GgmlType.Q3_K]: GgmlType.Q4_0,
  [GgmlType.Q4_K]: GgmlType.Q5_0,
  [GgmlType.Q5_K]: GgmlType.Q5_1,
  [GgmlType.Q6_K]: GgmlType.Q8_0,
  [GgmlType.IQ1_S]: GgmlType.IQ4_NL,
  [GgmlType.IQ1_M]: GgmlType.IQ4_NL,
  [GgmlType.IQ2_XXS]: GgmlType.IQ4_NL,
  [GgmlType.IQ2_XS]: GgmlType.IQ4_NL,
  [GgmlType.IQ2_S]: GgmlType.IQ4_NL,
  [GgmlType.IQ3_XXS]: GgmlType.IQ4_NL,
  [GgmlType.IQ3_S]: GgmlType.IQ4_NL,
  [GgmlType.IQ4_XS]: GgmlType.IQ4_NL,
};
