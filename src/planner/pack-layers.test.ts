import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fitMemory, packLayers } from "./pack-layers.ts";
import type { LayerPlan } from "./plan.ts";
import { tinyProblem } from "./testing/tiny-problem.ts";

const layers = 60;
const sizes = { ...tinyProblem.sizes, layers, expertMb: new Array<number>(layers).fill(100), expertsBaseMb: 50 };

const layerPlan = (layer: number, memoryMb: number, experts: number): LayerPlan => {
  const remote = Array.from({ length: experts }, (_, i) => i);
  return { layer, remote, function: `experts-${layer}`, memoryMb, replicas: [remote] };
};
const functionsOf = (plans: readonly LayerPlan[]) =>
  packLayers({ specMain: { memoryMb: 1024 }, layers: plans }, sizes).layers.map((each) => each.function);

describe("packing layers", () => {
  it("shares a function among layers of equal memory while their weights fit", () => {
    expect(
      functionsOf([layerPlan(0, 512, 2), layerPlan(1, 512, 2), layerPlan(2, 512, 2), layerPlan(3, 1024, 2)]),
    ).toEqual(["experts-0-1", "experts-0-1", "experts-2", "experts-3"]);
  });

  it("puts the largest first, so that small ones fill what is left", () => {
    expect(
      functionsOf([layerPlan(0, 512, 1), layerPlan(1, 512, 2), layerPlan(2, 512, 3), layerPlan(3, 512, 2)]),
    ).toEqual(["experts-0-2", "experts-1-3", "experts-0-2", "experts-1-3"]);
  });

  it("keeps layers with different numbers of replicas apart", () => {
    const twice = { ...layerPlan(1, 512, 1), replicas: [[0], [0]] };
    expect(functionsOf([layerPlan(0, 512, 1), twice])).toEqual(["experts-0", "experts-1"]);
  });

  it("names functions in at most 40 characters, each differently, and never fills one beyond its memory", () => {
    const counts = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: layers, maxLength: layers });
    fc.assert(
      fc.property(counts, fc.constantFrom(512, 1024, 8192), (experts, memoryMb) => {
        const plans = experts.map((count, layer) => layerPlan(layer, memoryMb, count));
        const held = new Map<string, number>();
        for (const [layer, name] of functionsOf(plans).entries()) {
          expect(name).toMatch(/^[a-z0-9-]{1,40}$/);
          held.set(name, (held.get(name) ?? 50) + 100 * (experts[layer] as number));
        }
        for (const heldMb of held.values()) expect(heldMb).toBeLessThanOrEqual(memoryMb);
      }),
      { seed: 1, numRuns: 50 },
    );
  });
});

describe("fitting the memory of functions", () => {
  const specs = { main: [1024], experts: [256, 512, 1024], maxReplicas: 1 };
  const fitted = (plans: readonly LayerPlan[]) =>
    fitMemory({ specMain: { memoryMb: 1024 }, layers: plans }, { sizes, specs }).layers.map((each) => each.memoryMb);

  it("takes the smallest size that holds all layers of a function", () => {
    const shared = (layer: number) => ({ ...layerPlan(layer, 1024, 1), function: "experts-0-1-2" });
    // 50 + 100, and 50 + 3 · 100
    expect(fitted([layerPlan(3, 1024, 1), ...[0, 1, 2].map(shared)])).toEqual([256, 512, 512, 512]);
  });

  it("counts the fullest instance", () => {
    expect(fitted([{ ...layerPlan(0, 1024, 3), replicas: [[0], [1, 2, 3]] }])).toEqual([512]);
  });
});
