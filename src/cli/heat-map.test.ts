import { describe, expect, it } from "vitest";
import { heatMap } from "./heat-map.ts";

describe("heatMap", () => {
  it("shades experts by their use in both phases, relative to the most used one", () => {
    const prefill = [
      [0, 1, 4],
      [6, 0, 0],
    ];
    const decode = [
      [0, 0, 4],
      [0, 4, 0],
    ];
    expect(heatMap({ prefill, decode })).toBe("layer 0 | ░█|\nlayer 1 |▓▒ |\n");
  });

  it("is blank where nothing was used, and aligns the numbers of many layers", () => {
    const idle = Array.from({ length: 11 }, () => [0, 0]);
    expect(heatMap({ prefill: idle, decode: idle }).split("\n").slice(9, 11)).toEqual([
      "layer  9 |  |",
      "layer 10 |  |",
    ]);
  });
});
