import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { callFrameBytes, shapeOf } from "./call-codec.ts";
import type { ExpertCall } from "./expert-call.ts";
import { replyFrameBytes } from "./reply-codec.ts";
import { splitCall } from "./split-call.ts";
import { sumRows } from "./sum-rows.ts";
import { arbitraryCall, callOf } from "./testing/arbitrary-call.ts";
import { computeFakeRows } from "./testing/fake-handler.ts";

const hidden = 4;

function reply(call: ExpertCall): Float32Array {
  const rows = computeFakeRows(call, hidden);
  return call.weights ? sumRows(call, call.weights, rows) : rows;
}

describe("splitCall", () => {
  it("cuts calls into parts that fit and whose replies make up the reply, bit for bit", () => {
    const limits = fc.record({
      maxBytes: fc.integer({ min: 250, max: 600 }),
      hidden: fc.constant(hidden),
      rowType: fc.constantFrom("f32" as const, "f16" as const),
    });
    fc.assert(
      fc.property(arbitraryCall(hidden), limits, (call, limit) => {
        // A token's rows stay together when they are summed, however many there are.
        fc.pre(call.weights === null || call.tokens.length <= 10);
        const parts = splitCall(call, limit);
        for (const part of parts) {
          const shape = shapeOf(part, hidden, limit.rowType);
          expect(Math.max(callFrameBytes(shape), replyFrameBytes(shape))).toBeLessThanOrEqual(limit.maxBytes);
        }
        expect(parts.flatMap((part) => [...reply(part)])).toEqual([...reply(call)]);
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  it("leaves a call alone that fits exactly", () => {
    const call = callOf(
      [1, 2, 3, 4],
      [
        [0, 0],
        [0, 1],
      ],
    );
    const maxBytes = callFrameBytes(shapeOf(call, hidden, "f32"));
    expect(splitCall(call, { maxBytes, hidden, rowType: "f32" })).toEqual([call]);
    expect(splitCall(call, { maxBytes: maxBytes - 1, hidden, rowType: "f32" })).toHaveLength(2);
  });

  it("sends a token that several rows of a part name once", () => {
    const call = callOf(
      [1, 2, 3, 4, 5, 6, 7, 8],
      [
        [1, 0],
        [1, 1],
        [0, 2],
        [0, 3],
      ],
    );
    const parts = splitCall(call, { maxBytes: 32 + 24 + 16 + 16, hidden, rowType: "f32" });
    expect(
      parts.map(({ inputs, tokens, experts }) => ({ inputs: [...inputs], tokens: [...tokens], experts: [...experts] })),
    ).toEqual([
      { inputs: [5, 6, 7, 8], tokens: [0, 0], experts: [0, 1] },
      { inputs: [1, 2, 3, 4], tokens: [0, 0], experts: [2, 3] },
    ]);
  });

  it("refuses a call of which one row does not fit, with the numbers", () => {
    const call = callOf([1, 2, 3, 4], [[0, 0]]);
    expect(() => splitCall(call, { maxBytes: 79, hidden, rowType: "f32" })).toThrow(
      "an expert call of 80 bytes is over the limit of 79 bytes",
    );
  });
});
