import type { VectorMatrix } from "../vector-matrix.ts";
import { indexOfLeast } from "./index-of-least.ts";
import type { Space } from "./space.ts";

/**
 * Prompts at distance 1 − SCS. The medoid has the least sum of distances to all members.
 *
 * As Σ_j (1 − u_i · u_j) = n − u_i · Σ_j u_j, that is the member most similar to the members' sum: O(n d), where comparing
 * every pair is O(n² d).
 */
export function similaritySpace(vectors: VectorMatrix): Space {
  return {
    distance: (first, second) => Math.max(0, 1 - vectors.similarity(first, second)),
    medoid: (members) => {
      const similarities = vectors.similaritiesAt(sumOf(vectors, members), members);
      return members[indexOfLeast(similarities.map((similarity) => -similarity))] as number;
    },
  };
}

function sumOf(vectors: VectorMatrix, members: readonly number[]): Float32Array {
  const sum = new Float64Array(vectors.dimensions);
  for (const member of members) {
    const row = vectors.row(member);
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (row[i] as number);
  }
  return Float32Array.from(sum);
}
