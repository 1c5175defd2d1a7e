import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { uniformLayers } from "./uniform-plan.ts";

const plan = (options: Partial<Parameters<typeof uniformLayers>[0]> = {}) =>
  uniformLayers({
    layers: 6,
    experts: 16,
    remoteRatio: 0.25,
    functions: 2,
    replicas: 1,
    memoryMb: (layers, remote) => layers.length * remote.length,
    ...options,
  });

describe("a uniform plan", () => {
  it("makes the same experts of every layer remote and shares functions among neighbours", () => {
    const layers = plan();
    expect(layers.map(({ layer, function: name }) => [layer, name])).toEqual([
      [0, "experts-0-2"],
      [1, "experts-0-2"],
      [2, "experts-0-2"],
      [3, "experts-3-5"],
      [4, "experts-3-5"],
      [5, "experts-3-5"],
    ]);
    expect(layers[0]).toEqual({
      layer: 0,
      function: "experts-0-2",
      remote: [12, 13, 14, 15],
      memoryMb: 12,
      replicas: [[12, 13, 14, 15]],
    });
  });

  it("has nothing remote at ratio 0 and everything at 1", () => {
    expect(plan({ remoteRatio: 0 })).toEqual([]);
    expect(plan({ remoteRatio: 1 }).map(({ remote }) => remote.length)).toEqual([16, 16, 16, 16, 16, 16]);
  });

  it("covers every layer once, in as many functions as asked for and there are layers", () => {
    const sizes = fc.record({ layers: fc.integer({ min: 1, max: 61 }), functions: fc.integer({ min: 1, max: 80 }) });
    fc.assert(
      fc.property(sizes, ({ layers, functions }) => {
        const planned = plan({ layers, functions });
        expect(planned.map(({ layer }) => layer)).toEqual(Array.from({ length: layers }, (_, i) => i));
        expect(new Set(planned.map((each) => each.function)).size).toBe(Math.min(layers, functions));
      }),
      { seed: 3, numRuns: 200 },
    );
  });
});
