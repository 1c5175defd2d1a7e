import { describe, expect, it } from "vitest";
import { coldStarts, leastStartMs } from "./cold-starts.ts";
import type { Devices } from "./evaluation.ts";
import type { LayerPlan } from "./plan.ts";
import { tinyProblem } from "./testing/tiny-problem.ts";

const own = { layer: 0, remote: [2, 3], function: "experts", memoryMb: 1024, replicas: [[2], [3]] };

function startsOf(layers: readonly LayerPlan[], parallel: number | null = null): number[] {
  const { sizes, profile } = tinyProblem;
  const coldStart = { ...profile.coldStart, parallel };
  const plan = { specMain: { memoryMb: 2048 }, layers };
  return coldStarts({ sizes, profile: { ...profile, coldStart } }, { plan, devices: "cpu" }).map(({ ms }) => ms);
}

describe("the starts of a plan", () => {
  it("take longer with a device", () => {
    const { sizes, profile } = tinyProblem;
    const coldStart = { ...profile.coldStart, deviceMs: 70 };
    const startMs = (devices: Devices) =>
      coldStarts(
        { sizes, profile: { ...profile, coldStart } },
        { plan: { specMain: { memoryMb: 2048 }, layers: [] }, devices },
      ).map(({ ms }) => ms);
    expect(startMs("mix")).toEqual(startMs("cpu").map((ms) => ms + 70));
  });

  it("are the main function's, with everything that is not remote", () => {
    // 100 + (200 + 8 experts · 100)
    expect(startsOf([])).toEqual([1100]);
  });

  it("are those of each replica, with its own experts", () => {
    // 100 + (200 + 6 · 100), 50 + 1 · 100
    expect(startsOf([own])).toEqual([900, 150, 150]);
  });

  it("are one for layers that share a function", () => {
    const other = { ...own, layer: 1, remote: [0], replicas: [[0]] };
    // The first instance holds an expert of each layer.
    expect(startsOf([own, other])).toEqual([800, 250, 150]);
    expect(startsOf([own, { ...other, function: "others" }])).toEqual([800, 150, 150, 150]);
  });

  it("are none of a function without experts", () => {
    expect(startsOf([{ ...own, remote: [], replicas: [[]] }])).toEqual([1100]);
  });
});

describe("starts that share processors", () => {
  it("slow each other down until the shortest is done", () => {
    // Three on one processor: 150 take 450, for both replicas. The main function has 750 left and the processor alone.
    expect(startsOf([own], 1)).toEqual([450 + 750, 450, 450]);
    // Three on two: 150 take 225.
    expect(startsOf([own], 2)).toEqual([225 + 750, 225, 225]);
  });

  it("keep the processors busy: on one, the last ends when all work is done", () => {
    expect(Math.max(...startsOf([own], 1))).toBe(900 + 150 + 150);
  });

  it("do not slow each other down where there are enough", () => {
    expect(startsOf([own], 3)).toEqual(startsOf([own], null));
  });
});

describe("the least start", () => {
  it("is that of a main function without experts", () => {
    const { experts, layers } = tinyProblem.sizes;
    const everyone = Array.from({ length: experts }, (_, expert) => expert);
    const allRemote = Array.from({ length: layers }, (_, layer) => {
      return { ...own, layer, remote: everyone, replicas: [everyone] };
    });
    expect(startsOf(allRemote)[0]).toBe(leastStartMs(tinyProblem));
    expect(startsOf([])[0]).toBeGreaterThan(leastStartMs(tinyProblem));
  });
});
