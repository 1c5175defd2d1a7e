import { remoeError } from "../core/errors.ts";

/** Ids of ggml's tensor element types; the gaps are types that ggml has removed from GGUF. */
export const GgmlType = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q8_1: 9,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  Q8_K: 15,
  IQ2_XXS: 16,
  IQ2_XS: 17,
  IQ3_XXS: 18,
  IQ1_S: 19,
  IQ4_NL: 20,
  IQ3_S: 21,
  IQ2_S: 22,
  IQ4_XS: 23,
  I8: 24,
  I16: 25,
  I32: 26,
  I64: 27,
  F64: 28,
  IQ1_M: 29,
  BF16: 30,
  TQ1_0: 34,
  TQ2_0: 35,
  MXFP4: 39,
  NVFP4: 40,
  Q1_0: 41,
  Q2_0: 42,
} as const;

export type GgmlType = (typeof GgmlType)[keyof typeof GgmlType];

interface TypeTraits {
  /** ggml's own spelling, e.g. `q4_K`. */
  readonly name: string;
  /** Elements that are quantised together; a row is a whole number of blocks. */
  readonly blockElements: number;
  readonly blockBytes: number;
}

const plain = (name: string, bytes: number): TypeTraits => ({ name, blockElements: 1, blockBytes: bytes });
const block = (name: string, blockElements: number, blockBytes: number): TypeTraits => ({
  name,
  blockElements,
  blockBytes,
});

/** Name and block size of every tensor type. */
export const TYPE_TRAITS: Readonly<Record<GgmlType, TypeTraits>> = {
  [GgmlType.F64]: plain("f64", 8),
  [GgmlType.F32]: plain("f32", 4),
  [GgmlType.F16]: plain("f16", 2),
  [GgmlType.BF16]: plain("bf16", 2),
  [GgmlType.I64]: plain("i64", 8),
  [GgmlType.I32]: plain("i32", 4),
  [GgmlType.I16]: plain("i16", 2),
  [GgmlType.I8]: plain("i8", 1),
  [GgmlType.Q1_0]: block("q1_0", 128, 18),
  [GgmlType.Q2_0]: block("q2_0", 64, 18),
  [GgmlType.Q4_0]: block("q4_0", 32, 18),
  [GgmlType.Q4_1]: block("q4_1", 32, 20),
  [GgmlType.Q5_0]: block("q5_0", 32, 22),
  [GgmlType.Q5_1]: block("q5_1", 32, 24),
  [GgmlType.Q8_0]: block("q8_0", 32, 34),
  [GgmlType.Q8_1]: block("q8_1", 32, 36),
  [GgmlType.MXFP4]: block("mxfp4", 32, 17),
  [GgmlType.NVFP4]: block("nvfp4", 64, 36),
  [GgmlType.Q2_K]: block("q2_K", 256, 84),
  [GgmlType.Q3_K]: block("q3_K", 256, 110),
  [GgmlType.Q4_K]: block("q4_K", 256, 144),
  [GgmlType.Q5_K]: block("q5_K", 256, 176),
  [GgmlType.Q6_K]: block("q6_K", 256, 210),
  [GgmlType.Q8_K]: block("q8_K", 256, 292),
  [GgmlType.IQ1_S]: block("iq1_s", 256, 50),
  [GgmlType.IQ1_M]: block("iq1_m", 256, 56),
  [GgmlType.IQ2_XXS]: block("iq2_xxs", 256, 66),
  [GgmlType.IQ2_XS]: block("iq2_xs", 256, 74),
  [GgmlType.IQ2_S]: block("iq2_s", 256, 82),
  [GgmlType.IQ3_XXS]: block("iq3_xxs", 256, 98),
  [GgmlType.IQ3_S]: block("iq3_s", 256, 110),
  [GgmlType.IQ4_NL]: block("iq4_nl", 32, 18),
  [GgmlType.IQ4_XS]: block("iq4_xs", 256, 136),
  [GgmlType.TQ1_0]: block("tq1_0", 256, 54),
  [GgmlType.TQ2_0]: block("tq2_0", 256, 66),
};

/** Whether a type id from a file is one that this table knows. */
export function isGgmlType(id: number): id is GgmlType {
  return id in TYPE_TRAITS;
}

/** Integers and doubles, and what the kernels quantise their inputs to: nothing can be multiplied by these. */
const NO_WEIGHTS: ReadonlySet<GgmlType> = new Set([
  GgmlType.F64,
  GgmlType.I64,
  GgmlType.I32,
  GgmlType.I16,
  GgmlType.I8,
  GgmlType.Q8_1,
  GgmlType.Q8_K,
]);

/** The types that ggml's processor backend can multiply by. */
export const WEIGHT_TYPES: readonly GgmlType[] = Object.values(GgmlType).filter((type) => !NO_WEIGHTS.has(type));

/**
 * Bytes of one row of `elements` elements.
 * @throws TENSOR_SHAPE_INVALID when the row is not a whole number of blocks
 */
export function rowBytes(type: GgmlType, elements: number): number {
  const { name, blockElements, blockBytes } = TYPE_TRAITS[type];
  if (elements % blockElements !== 0) {
    throw remoeError("TENSOR_SHAPE_INVALID", { elements, type: name, blockElements });
  }
  return (elements / blockElements) * blockBytes;
}

/**
 * Bytes of a contiguous tensor; `shape` is in ggml's order, row length first.
 * @throws TENSOR_SHAPE_INVALID when a row is not a whole number of blocks
 */
export function tensorBytes(type: GgmlType, shape: readonly number[]): number {
  const [rowLength = 1, ...outer] = shape;
  return outer.reduce((bytes, dimension) => bytes * dimension, rowBytes(type, rowLength));
}
