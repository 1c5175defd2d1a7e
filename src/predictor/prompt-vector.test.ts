import { describe, expect, it } from "vitest";
import { lengthOf, promptVector } from "./prompt-vector.ts";

const ROWS = [Float32Array.of(3, 4), Float32Array.of(0, 2), Float32Array.of(0, 0)];
const embedding = (token: number): Float32Array | null => ROWS[token] ?? null;

describe("promptVector", () => {
  it("sums the embeddings, each scaled to length 1, as often as their tokens occur", () => {
    const vector = promptVector([0, 1, 1], embedding, 2);
    expect(vector[0]).toBeCloseTo(0.6, 6);
    expect(vector[1]).toBeCloseTo(0.8 + 2, 6);
  });

  it("adds nothing for an unknown token or an embedding of zeros", () => {
    expect(promptVector([0, 2, 99], embedding, 2)).toEqual(promptVector([0], embedding, 2));
  });

  it("is zero for a prompt without tokens", () => {
    expect(promptVector([], embedding, 2)).toEqual(Float32Array.of(0, 0));
  });

  it("adds up in double precision: a million tokens lose nothing", () => {
    const tokens = new Array<number>(1_000_000).fill(1);
    expect(lengthOf(promptVector(tokens, embedding, 2))).toBe(1_000_000);
  });
});
