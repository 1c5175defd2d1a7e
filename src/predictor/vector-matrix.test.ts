import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { softCosine } from "./similarity.ts";
import { VectorMatrix } from "./vector-matrix.ts";

const random = createRandom(5);
const drawVector = (dimensions: number): Float32Array =>
  Float32Array.from({ length: dimensions }, () => 10 * random() - 5);

function matrixOf(vectors: readonly Float32Array[], dimensions: number): VectorMatrix {
  const matrix = new VectorMatrix(dimensions);
  for (const vector of vectors) matrix.push(vector);
  return matrix;
}

describe("VectorMatrix", () => {
  it.each([1, 7, 16, 17, 256, 300])("computes every soft cosine with a query of %i dimensions", (dimensions) => {
    const vectors = Array.from({ length: 50 }, () => drawVector(dimensions));
    const matrix = matrixOf(vectors, dimensions);
    const query = drawVector(dimensions);
    const similarities = new Float32Array(50);
    matrix.similarities(query, similarities);
    for (const [i, vector] of vectors.entries()) {
      const expected = softCosine(query, vector);
      expect(similarities[i]).toBeCloseTo(expected, 6);
      expect(matrix.similarity(i, 0)).toBeCloseTo(softCosine(vector, vectors[0] as Float32Array), 6);
    }
    const [last] = matrix.similaritiesAt(query, [49]);
    expect(last).toBe(similarities[49]);
  });

  it("keeps what it holds when it outgrows its memory", () => {
    const dimensions = 64;
    const vectors = Array.from({ length: 2000 }, () => drawVector(dimensions));
    const matrix = matrixOf(vectors, dimensions);
    expect(matrix.size).toBe(2000);
    for (const i of [0, 250, 1023, 1999]) {
      expect(softCosine(matrix.row(i), vectors[i] as Float32Array)).toBeCloseTo(1, 5);
      expect(matrix.similarity(i, i)).toBeCloseTo(1, 5);
    }
  });

  it("finds the α most similar, most similar first", () => {
    const vectors = Array.from({ length: 100 }, () => drawVector(8));
    const query = drawVector(8);
    const ranked = vectors
      .map((vector, index) => ({ index, similarity: softCosine(query, vector) }))
      .sort((a, b) => b.similarity - a.similarity);
    const { indices, similarities } = matrixOf(vectors, 8).topAlpha(query, 15);
    expect(indices).toEqual(ranked.slice(0, 15).map(({ index }) => index));
    expect(similarities[0]).toBeCloseTo(ranked[0]?.similarity as number, 6);
  });

  it("prefers the older of equally similar ones, and gives all when there are fewer than α", () => {
    const same = Float32Array.of(1, 2);
    expect(matrixOf([same, same, same], 2).topAlpha(same, 2).indices).toEqual([0, 1]);
    expect(matrixOf([same, same, same], 2).topAlpha(same, 9).indices).toEqual([0, 1, 2]);
    expect(new VectorMatrix(2).topAlpha(same, 9).indices).toEqual([]);
  });

  it("is similar to nothing where no token is known", () => {
    const matrix = matrixOf([new Float32Array(2), Float32Array.of(1, 1)], 2);
    expect(matrix.similarity(0, 1)).toBe(0);
    expect(matrix.topAlpha(new Float32Array(2), 2).similarities).toEqual([0, 0]);
  });
});
