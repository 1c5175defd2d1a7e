import { describe, expect, it } from "vitest";
import { toActivationMatrix, uniformMatrix } from "./activation-matrix.ts";

const shape = { layers: 2, experts: 4 };

describe("toActivationMatrix", () => {
  it("gives every expert its share of the layer's pairs", () => {
    expect([...toActivationMatrix(Uint32Array.of(1, 3, 0, 0, 0, 0, 2, 2), shape)]).toEqual([
      0.25, 0.75, 0, 0, 0, 0, 0.5, 0.5,
    ]);
  });

  it("makes a layer without pairs uniform", () => {
    expect(toActivationMatrix(new Uint32Array(8), shape)).toEqual(uniformMatrix(shape));
  });
});
