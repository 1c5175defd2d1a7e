import { describe, expect, it } from "vitest";
import { tinyProblem } from "./testing/tiny-problem.ts";
import { byUtility, selectUniform } from "./uniform-selection.ts";

describe("the paper's selection", () => {
  it("makes the same share of every layer remote: what it is expected to use least", () => {
    expect(selectUniform(tinyProblem, 0.5)).toEqual([
      [2, 3],
      [0, 1],
    ]);
    expect(selectUniform(tinyProblem, 0.75)).toEqual([
      [0, 2, 3],
      [0, 1, 2],
    ]);
  });

  it("makes nothing remote, or everything", () => {
    expect(selectUniform(tinyProblem, 0)).toEqual([[], []]);
    expect(selectUniform(tinyProblem, 1)).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ]);
  });

  it("orders equally useful experts by id", () => {
    expect(byUtility(Float32Array.of(0.3, 0.1, 0.5, 0.1))).toEqual([1, 3, 0, 2]);
  });
});
