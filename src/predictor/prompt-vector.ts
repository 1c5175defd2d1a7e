/** A token's embedding, or null where the vocabulary does not know the token. */
export type Embedding = (token: number) => Float32Array | null;

/**
 * Σ û_i: the sum of the tokens' embeddings, each scaled to length 1. [dimensions]
 *
 * A token without an embedding, or with one of zeros, adds nothing.
 */
export function promptVector(tokens: readonly number[], embedding: Embedding, dimensions: number): Float32Array {
  const sum = new Float64Array(dimensions);
  for (const token of tokens) {
    const row = embedding(token);
    if (row !== null) addUnit(sum, row);
  }
  return Float32Array.from(sum);
}

function addUnit(sum: Float64Array, row: Float32Array): void {
  const length = lengthOf(row);
  if (length === 0) return;
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (row[i] as number) / length;
}

/** √(v · v) */
export function lengthOf(vector: Float32Array): number {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += (vector[i] as number) ** 2;
  return Math.sqrt(squares);
}
