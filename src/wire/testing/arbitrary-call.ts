import fc from "fast-check";
import type { ExpertCall } from "../expert-call.ts";

/** Calls that the fake handler accepts when its width is `hidden`. */
export function arbitraryCall(hidden: number): fc.Arbitrary<ExpertCall> {
  return fc.integer({ min: 1, max: 12 }).chain((tokens) =>
    fc
      .record({
        layer: fc.nat(3),
        kernel: fc.constantFrom("decode" as const, "prefill" as const),
        inputs: fc.float32Array({ minLength: tokens * hidden, maxLength: tokens * hidden }),
        rows: fc.array(fc.record({ token: fc.nat(tokens - 1), expert: fc.nat(7), weight: weights }), {
          maxLength: 2 * tokens,
        }),
        presummed: fc.boolean(),
      })
      .map(({ rows, presummed, ...call }) => ({
        ...call,
        tokens: Int32Array.from(rows, ({ token }) => token),
        experts: Int32Array.from(rows, ({ expert }) => expert),
        weights: presummed ? Float32Array.from(rows, ({ weight }) => weight) : null,
      })),
  );
}

const weights = fc.float({ min: 0, max: 1, noNaN: true });

/** One row for each pair of token and expert. */
export function callOf(
  inputs: readonly number[],
  rows: readonly (readonly [token: number, expert: number])[],
): ExpertCall {
  return {
    layer: 1,
    kernel: "decode",
    inputs: Float32Array.from(inputs),
    tokens: Int32Array.from(rows, ([token]) => token),
    experts: Int32Array.from(rows, ([, expert]) => expert),
    weights: null,
  };
}
