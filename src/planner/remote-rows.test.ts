import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { AnyRemote } from "../predictor/any-remote.ts";
import type { RoutedSets } from "./problem.ts";
import { countRemoteRows, RemoteRows } from "./remote-rows.ts";
import { toSets } from "./testing/tiny-problem.ts";

interface World {
  readonly experts: number;
  readonly expertsPerToken: number;
  readonly sets: RoutedSets;
  readonly order: readonly number[];
}

function shuffled(length: number, random: () => number): number[] {
  const keys = Array.from({ length }, random);
  return [...keys.keys()].sort((a, b) => (keys[a] as number) - (keys[b] as number));
}

/** Some tokens count nothing. */
const worlds: fc.Arbitrary<World> = fc
  .record({ experts: fc.integer({ min: 1, max: 12 }), k: fc.integer({ min: 1, max: 6 }), seed: fc.nat(1000) })
  .map(({ experts, k, seed }) => {
    const random = createRandom(seed);
    const expertsPerToken = Math.min(k, experts);
    const weights = Float64Array.from({ length: 20 }, (_, token) => (token % 5 === 3 ? 0 : random() + 0.01));
    const chosen = Array.from(weights, () => shuffled(experts, random).slice(0, expertsPerToken)).flat();
    const sets = { experts: Uint16Array.from(chosen), weights };
    return { experts, expertsPerToken, sets, order: shuffled(experts, random) };
  });

/** Token after token, expert after expert. */
function bruteForce({ sets, order, expertsPerToken: k }: World, r: number): number[] {
  const remote = order.slice(0, r);
  const counted = new Array<number>(k + 1).fill(0);
  let total = 0;
  sets.weights.forEach((weight, token) => {
    const own = [...sets.experts.subarray(token * k, (token + 1) * k)];
    const rows = own.filter((expert) => remote.includes(expert)).length;
    counted[rows] = (counted[rows] ?? 0) + weight;
    total += weight;
  });
  return counted.map((weight) => weight / total);
}

function expectClose(actual: Float64Array, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [j, share] of expected.entries()) expect(actual[j]).toBeCloseTo(share, 12);
}

describe("shares of tokens by remote rows", () => {
  it("are what counting every token finds, for every number of remote experts", () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const table = new RemoteRows(world.sets, world.order, world.expertsPerToken);
        for (let r = 0; r <= world.experts; r++) {
          expectClose(table.shares(r), bruteForce(world, r));
          expectClose(countRemoteRows(world.sets, world.order.slice(0, r), world), bruteForce(world, r));
        }
      }),
      { seed: 1 },
    );
  });

  it("agree with how often any expert is remote: 1 − P(0)", () => {
    fc.assert(
      fc.property(worlds, fc.nat(12), (world, most) => {
        const { sets, experts, expertsPerToken: k, order } = world;
        const samples = Array.from(sets.weights, (weight, token) => ({
          sample: { tokens: Uint32Array.of(0), experts: sets.experts.slice(token * k, (token + 1) * k) },
          weight,
        }));
        const remote = order.slice(0, most);
        const any = new AnyRemote(samples, { layers: 1, experts }).probability(0, remote);
        expect(1 - (countRemoteRows(sets, remote, world)[0] as number)).toBeCloseTo(any, 12);
      }),
      { seed: 2 },
    );
  });

  it("know that experts are chosen together", () => {
    const together = toSets([[0, 1], 3], [[3, 2], 1]);
    // Half of the experts are remote. Were they chosen independently, half of the tokens would have exactly one.
    expect([...countRemoteRows(together, [2, 3], { experts: 4, expertsPerToken: 2 })]).toEqual([0.75, 0, 0.25]);
    expect([...new RemoteRows(together, [2, 3, 0, 1], 2).shares(2)]).toEqual([0.75, 0, 0.25]);
  });
});

describe("shares at the ends", () => {
  const sets = toSets([[0, 1], 0.1], [[1, 2], 0.2], [[0, 2], 0.7]);
  const sizes = { experts: 3, expertsPerToken: 2 };

  it("have every row remote where every expert is", () => {
    expect([...countRemoteRows(sets, [0, 1, 2], sizes)]).toEqual([0, 0, 1]);
    expectClose(new RemoteRows(sets, [0, 1, 2], 2).shares(3), [0, 0, 1]);
  });

  it("have no row remote where no expert is", () => {
    expect([...countRemoteRows(sets, [], sizes)]).toEqual([1, 0, 0]);
    expect([...new RemoteRows(sets, [0, 1, 2], 2).shares(0)]).toEqual([1, 0, 0]);
  });

  it.each([
    ["no tokens", toSets()],
    ["only tokens that count nothing", toSets([[0, 1], 0])],
  ])("are not made up from %s", (_, unknown) => {
    expect(() => countRemoteRows(unknown, [0], sizes)).toThrow(RangeError);
    expect(() => new RemoteRows(unknown, [0, 1, 2], 2)).toThrow(RangeError);
    expect([...countRemoteRows(unknown, [], sizes)]).toEqual([1, 0, 0]);
  });
});
