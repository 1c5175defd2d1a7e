import { lengthOf } from "./prompt-vector.ts";

/** A vector scaled to length 1; zeros stay zeros. */
export function toUnit(vector: Float32Array): Float32Array {
  const length = lengthOf(vector) || 1;
  return vector.map((value) => value / length);
}
