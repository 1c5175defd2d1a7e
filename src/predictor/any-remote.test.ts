import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { AnyRemote, type WeightedSample } from "./any-remote.ts";

const SHAPE = { layers: 2, experts: 40 };
const TOP_K = 3;

function drawSample(random: () => number): WeightedSample {
  const length = 1 + Math.floor(random() * 12);
  const gate = (): number[] => {
    const first = Math.floor(random() * SHAPE.experts);
    return Array.from({ length: TOP_K }, (_, j) => (first + 7 * j) % SHAPE.experts);
  };
  return {
    sample: {
      tokens: new Uint32Array(length),
      experts: Uint16Array.from(Array.from({ length: length * SHAPE.layers }, gate).flat()),
    },
    weight: random(),
  };
}

function bruteForce(samples: readonly WeightedSample[], layer: number, remote: readonly number[]): number {
  let [hit, total] = [0, 0];
  for (const { sample, weight } of samples) {
    for (let t = 0; t < sample.tokens.length; t++) {
      const start = (t * SHAPE.layers + layer) * TOP_K;
      total += weight;
      if (remote.some((expert) => sample.experts.subarray(start, start + TOP_K).includes(expert))) hit += weight;
    }
  }
  return hit / total;
}

describe("AnyRemote", () => {
  it("counts exactly the tokens that need any remote expert", () => {
    fc.assert(
      fc.property(fc.nat(500), fc.uniqueArray(fc.nat(SHAPE.experts - 1)), fc.nat(1), (seed, remote, layer) => {
        const random = createRandom(seed);
        const samples = Array.from({ length: 5 }, () => drawSample(random));
        const probability = new AnyRemote(samples, SHAPE).probability(layer, remote);
        expect(probability).toBeCloseTo(bruteForce(samples, layer, remote), 10);
      }),
      { seed: 9 },
    );
  });

  it("knows that experts are chosen together, which a product of shares does not", () => {
    const shape = { layers: 1, experts: 4 };
    const tokens = new Uint32Array(4);
    const together = { tokens, experts: Uint16Array.of(0, 1, 1, 0, 2, 3, 3, 2) };
    const exact = new AnyRemote([{ sample: together, weight: 1 }], shape).probability(0, [0, 1]);
    const shareRemote = 0.5;
    expect(exact).toBe(0.5);
    expect(1 - (1 - shareRemote) ** 2).toBe(0.75);
  });

  it("knows nothing of a model of which no token ran", () => {
    expect(new AnyRemote([], SHAPE).probability(0, [0])).toBe(0);
  });
});
