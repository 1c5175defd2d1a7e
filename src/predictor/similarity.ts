import { lengthOf } from "./prompt-vector.ts";

/** Keeps the quotient finite for a prompt without known tokens. */
const SIGMA = 1e-9;

/**
 * SCS of two prompts from their prompt vectors: Σ_i û_i · Σ_j v̂_j / (|Σ_i û_i| |Σ_j v̂_j| + σ), in [-1, 1].
 *
 * Ownership vectors of zeros and ones make every quadratic form of the definition a product of such sums, so this is
 * the soft cosine itself and no approximation.
 */
export function softCosine(first: Float32Array, second: Float32Array): number {
  return dot(first, second) / (lengthOf(first) * lengthOf(second) + SIGMA);
}

/**
 * The same by the definition: SCS = V1ᵀ C V2 / (√(V1ᵀ C V1) √(V2ᵀ C V2) + σ), where C = E Eᵀ are the cosines of all pairs
 * of tokens of both prompts. Takes the token embeddings, scaled to length 1. O((n + m)² d): the oracle of tests and the
 * yardstick of benchmarks.
 */
export function softCosineByDefinition(first: readonly Float32Array[], second: readonly Float32Array[]): number {
  const tokens = [...first, ...second];
  const cosines = tokens.map((left) => Float64Array.from(tokens, (right) => dot(left, right)));
  const firstOwns = tokens.map((_, i) => (i < first.length ? 1 : 0));
  const secondOwns = tokens.map((_, i) => (i < first.length ? 0 : 1));
  const across = quadraticForm(firstOwns, cosines, secondOwns);
  const ownFirst = quadraticForm(firstOwns, cosines, firstOwns);
  const ownSecond = quadraticForm(secondOwns, cosines, secondOwns);
  // Rounding can take the square of a sum that cancels out below zero.
  return across / (Math.sqrt(Math.max(0, ownFirst)) * Math.sqrt(Math.max(0, ownSecond)) + SIGMA);
}

/** vᵀ C w */
function quadraticForm(v: readonly number[], c: readonly Float64Array[], w: readonly number[]): number {
  let sum = 0;
  for (const [i, row] of c.entries()) {
    for (let j = 0; j < row.length; j++) sum += (v[i] as number) * (row[j] as number) * (w[j] as number);
  }
  return sum;
}

function dot(first: Float32Array, second: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < first.length; i++) sum += (first[i] as number) * (second[i] as number);
  return sum;
}
