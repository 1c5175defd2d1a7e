import { describe, expect, it } from "vitest";
import { uniformMatrix } from "./activation-matrix.ts";
import type { Example } from "./example.ts";
import { TrainingSet } from "./training-set.ts";
import { weightedMean } from "./weighted-mean.ts";

const shape = { layers: 1, experts: 2, dimensions: 1 };
const nothing = { tokens: new Uint32Array(), experts: new Uint16Array() };

function ran(...prefill: number[]): Example {
  const common = { vector: Float32Array.of(1), tokens: [], decode: new Uint32Array(2) };
  return { ...common, prefill: Uint32Array.from(prefill), prefillSample: nothing, decodeSample: nothing };
}

const set = new TrainingSet(shape, [ran(9, 0), ran(0, 3)]);

describe("weightedMean", () => {
  it("weights by the softmax of the similarities", () => {
    const [first] = weightedMean(set, { indices: [0, 1], similarities: [0.9, 0.4] }, 1);
    expect(first).toBeCloseTo(Math.exp(0.9) / (Math.exp(0.9) + Math.exp(0.4)), 6);
  });

  it("trusts the nearest more at a lower temperature, and does not overflow", () => {
    const neighbours = { indices: [0, 1], similarities: [0.9, 0.4] };
    const [mild] = weightedMean(set, neighbours, 0.5);
    expect(mild).toBeCloseTo(Math.exp(1.8) / (Math.exp(1.8) + Math.exp(0.8)), 6);
    expect([...weightedMean(set, neighbours, 1e-5)]).toEqual([1, 0]);
  });

  it("is uniform without neighbours", () => {
    expect(weightedMean(set, { indices: [], similarities: [] }, 1)).toEqual(uniformMatrix(shape));
  });
});
