import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RoutingRecorder, spreadPositions } from "./routing-recorder.ts";

const SHAPE = { layers: 2, expertsPerToken: 2 };

describe("spreadPositions", () => {
  it.each([
    [0, 4, []],
    [3, 0, []],
    [3, 4, [0, 1, 2]],
    [4, 4, [0, 1, 2, 3]],
    [10, 4, [0, 2, 5, 7]],
  ])("of a sequence of %i tokens, at most %i", (length, count, positions) => {
    expect([...spreadPositions(length, count)]).toEqual(positions);
  });

  it("are apart by the same number of tokens, or one more, from the first on", () => {
    const property = fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 1, max: 500 }),
      (length, count) => {
        const positions = [...spreadPositions(length, count), length];
        expect(positions[0]).toBe(0);
        const gaps = new Set(positions.slice(1).map((position, i) => position - (positions[i] as number)));
        const least = Math.floor(length / Math.min(length, count));
        expect([...gaps].every((gap) => gap === least || gap === least + 1)).toBe(true);
      },
    );
    fc.assert(property, { seed: 5, numRuns: 200 });
  });
});

describe("RoutingRecorder", () => {
  it("keeps the choices at its positions, whatever comes at once", () => {
    const recorder = new RoutingRecorder(SHAPE, Uint32Array.of(0, 2, 3));
    recorder.record(0, Int32Array.of(10, 11, 12, 13));
    recorder.record(1, Int32Array.of(20, 21, 22, 23));
    recorder.record(0, Int32Array.of(14, 15));
    recorder.record(0, Int32Array.of(16, 17, 18, 19));
    recorder.record(1, Int32Array.of(24, 25, 26, 27, 28, 29));
    expect(recorder.sample([100, 101, 102, 103, 104])).toEqual({
      tokens: Uint32Array.of(100, 102, 103),
      experts: Uint16Array.of(10, 11, 20, 21, 14, 15, 24, 25, 16, 17, 26, 27),
    });
  });

  it("leaves out tokens that not every layer has seen", () => {
    const recorder = new RoutingRecorder(SHAPE, Uint32Array.of(0, 1));
    recorder.record(0, Int32Array.of(1, 2, 3, 4));
    recorder.record(1, Int32Array.of(5, 6));
    expect(recorder.sample([7, 8])).toEqual({ tokens: Uint32Array.of(7), experts: Uint16Array.of(1, 2, 5, 6) });
  });
});
