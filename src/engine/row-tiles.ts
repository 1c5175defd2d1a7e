import { GgmlType } from "../gguf/types.ts";
import type { Transformer } from "../model/architecture.ts";

/**
 * The matrix kernels take rows four at a time and the rest one by one, with other rounding. Rows are filled up to whole
 * fours, so that a row's result does not depend on which rows it is computed with.
 */
export const ROW_TILE = 4;

/** By weights of {@link COARSE_TYPES} the library multiplies this many rows or more in another way than fewer. */
export const MANY_ROWS = 8;

const COARSE_TYPES: ReadonlySet<GgmlType> = new Set([
  GgmlType.IQ1_S,
  GgmlType.IQ1_M,
  GgmlType.IQ2_XXS,
  GgmlType.IQ2_XS,
  GgmlType.IQ2_S,
  GgmlType.IQ3_XXS,
  GgmlType.IQ3_S,
  GgmlType.IQ4_XS,
]);

/** So many rows with their filling. */
export function tiledRows(rows: number): number {
  return Math.ceil(rows / ROW_TILE) * ROW_TILE;
}

/** Whether any weight is of a type that few and many rows are multiplied by in different ways. */
export function isCoarse({ weights, experts }: Transformer): boolean {
  const types = [
    ...weights.flatMap(({ parts }) => parts.map(({ type }) => type)),
    ...experts.flatMap(({ gate, up, down }) => [gate ?? up, up, down].map(({ type }) => type)),
  ];
  return types.some((type) => COARSE_TYPES.has(type));
}

/** Rows of a batch of up to `most` sequences, at the least: few and many rows must not be computed in different ways. */
export function leastRows(transformer: Transformer, most: number): number {
  return tiledRows(most) >= MANY_ROWS && isCoarse(transformer) ? MANY_ROWS : ROW_TILE;
}
