import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toActivationMatrix } from "../predictor/activation-matrix.ts";
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

  it("looks at some of many tokens only, at more of those that count more, and leaves out none of the requests", () => {
    const many = (experts: number, weight: number) => ({ sample: sampleOf(...Array(50_000).fill(experts)), weight });
    const { sets } = toDemand(matrix, [many(0, 0.75), many(1, 0.2499), { sample: sampleOf(2), weight: 0.0001 }], shape);
    const { experts = new Uint16Array(0), weights = new Float64Array(0) } = sets[0] ?? {};
    const ofRequest = (first: number) => [...weights].filter((_, token) => experts[2 * token] === first);
    const [nearest, other, least] = [0, 1, 2].map(ofRequest) as [number[], number[], number[]];
    expect([nearest.length, other.length, least.length]).toEqual([384, 128, 1]);
    const total = (of: readonly number[]) => of.reduce((sum, weight) => sum + weight, 0);
    expect([nearest, other, least].map(total)).toEqual([0.75, 0.2499, 0.0001].map((w) => expect.closeTo(w, 9)));
  });

  it("looks at tokens from the first to the last of a request", () => {
    const halves = sampleOf(...Array(3_000).fill(0), ...Array(3_000).fill(2));
    const { sets } = toDemand(matrix, [{ sample: halves, weight: 1 }], shape);
    const firsts = [...(sets[0]?.experts ?? [])].filter((_, i) => i % 2 === 0);
    expect(firsts.filter((first) => first === 0)).toHaveLength(firsts.length / 2);
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

  it("draws without replacement, by the shares of those left", () => {
    const one = { layers: 1, experts: 3, expertsPerToken: 2 };
    const { sets } = toDemand(Float32Array.of(0.6, 0.3, 0.1), [], one);
    const drawn = [...(sets[0]?.experts ?? [])];
    const share = (set: string) =>
      drawn.filter((_, i) => i % 2 === 0 && `${drawn.slice(i, i + 2).sort()}` === set).length / (drawn.length / 2);
    // p q / (1 − p) + q p / (1 − q); 512 draws have a standard error of 2 %.
    expect(share("0,1")).toBeCloseTo(0.18 / 0.4 + 0.18 / 0.7, 1);
    expect(share("0,2")).toBeCloseTo(0.06 / 0.4 + 0.06 / 0.9, 1);
    expect(share("1,2")).toBeCloseTo(0.03 / 0.7 + 0.03 / 0.9, 1);
  });

  it("draws distinct experts, those with a share before others, from any matrix", () => {
    const share = fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1, noNaN: true }));
    fc.assert(
      fc.property(fc.array(share, { minLength: 4, maxLength: 40 }), (values) => {
        const one = { layers: 1, experts: values.length, expertsPerToken: 4 };
        const shares = toActivationMatrix(values, one);
        const { experts = new Uint16Array(0) } = toDemand(shares, [], one).sets[0] ?? {};
        const withShare = shares.filter((value) => value > 0).length;
        for (let token = 0; token < experts.length; token += 4) {
          const set = [...experts.subarray(token, token + 4)];
          expect(new Set(set).size).toBe(4);
          expect(Math.max(...set)).toBeLessThan(values.length);
          if (withShare <= 4) expect(set.filter((expert) => (shares[expert] as number) > 0)).toHaveLength(withShare);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("is the same for the same request", () => {
    expect(toDemand(matrix, [], shape)).toEqual(toDemand(matrix, [], shape));
  });
});
