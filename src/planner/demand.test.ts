import { describe, expect, it } from "vitest";
import type { RoutingSample } from "../predictor/example.ts";
import { toDemand } from "./demand.ts";

const shape = { layers: 2, experts: 4, expertsPerToken: 2 };
const matrix = Float32Array.of(0.5, 0.5, 0, 0, 0.25, 0.25, 0.25, 0.25);

/** A token goes to the experts (e, e + 1) in layer 0, and (e + 1, e) in layer 1. */
function sampleOf(...firsts: readonly number[]): RoutingSample {
  return {
    tokens: Uint32Array.from(firsts),
    experts: Uint16Array.from(firsts.flatMap((e) => [e, e + 1, e + 1, e])),
  };
}

describe("what a request is expected to activate", () => {
  it("are the sets of similar requests, layer by layer", () => {
    const { sets } = toDemand(matrix, [{ sample: sampleOf(0, 2), weight: 1 }], shape);
    expect(sets.map(({ experts }) => [...experts])).toEqual([
      [0, 1, 2, 3],
      [1, 0, 3, 2],
    ]);
  });

  it("counts a similar request by its weight, however many of its tokens are known", () => {
    const similar = [
      { sample: sampleOf(0, 0, 0, 0), weight: 0.75 },
      { sample: sampleOf(2), weight: 0.25 },
    ];
    const { sets } = toDemand(matrix, similar, shape);
    expect([...(sets[0]?.weights ?? [])]).toEqual([0.1875, 0.1875, 0.1875, 0.1875, 0.25]);
  });

  it("looks at some of many tokens only, and leaves out none of the requests", () => {
    const long = { sample: sampleOf(...Array<number>(50_000).fill(0)), weight: 0.9 };
    const { sets } = toDemand(matrix, [long, { sample: sampleOf(2), weight: 0.1 }], shape);
    const weights = sets[0]?.weights ?? new Float64Array(0);
    expect(weights.length).toBeLessThanOrEqual(2_001);
    expect(weights.at(-1)).toBeCloseTo(0.1 * 26, 6);
  });

  it("draws sets from the matrix where no token is known: never an expert twice, never one without a share", () => {
    const { sets } = toDemand(matrix, [{ sample: sampleOf(), weight: 1 }], shape);
    const drawn = (layer: number): number[][] => {
      const { experts = new Uint16Array(0) } = sets[layer] ?? {};
      return Array.from({ length: experts.length / 2 }, (_, i) => [...experts.subarray(2 * i, 2 * i + 2)]);
    };
    expect(drawn(0).every((set) => `${set.toSorted()}` === "0,1")).toBe(true);
    expect(drawn(1).every(([a, b]) => a !== b)).toBe(true);
    const ofExpert = (expert: number): number =>
      drawn(1)
        .flat()
        .filter((each) => each === expert).length;
    for (let expert = 0; expert < 4; expert++) expect(ofExpert(expert) / drawn(1).length).toBeCloseTo(0.5, 1);
  });

  it("is the same for the same request", () => {
    expect(toDemand(matrix, [], shape)).toEqual(toDemand(matrix, [], shape));
  });
});
