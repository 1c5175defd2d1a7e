import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PriceBook } from "../../ledger/price-book.ts";
import type { Decision } from "../evaluation.ts";
import { planNow } from "../planner.ts";
import type { PlanningProblem } from "../problem.ts";
import { tinyProblem } from "../testing/tiny-problem.ts";
import { BASELINES } from "./baselines.ts";
import { arbitraryProblem, deviceProfile } from "./testing/arbitrary-problem.ts";

const withDevice: PlanningProblem = { ...tinyProblem, profile: deviceProfile };

function plan(name: string, problem: PlanningProblem): Decision | null {
  const planner = BASELINES.get(name);
  if (planner === undefined) throw new Error(`no baseline ${name}`);
  return planNow(planner, problem);
}

function summary(decision: Decision | null) {
  const { specMain, layers } = decision?.placement.plan ?? {};
  return { mainMb: specMain?.memoryMb, remote: layers?.map(({ remote }) => remote.length) };
}

describe("baselines worked by hand", () => {
  it("cpu: the smallest size that holds everything", () => {
    const decision = plan("cpu", tinyProblem);
    // 50 + 200 + 56 + 2 × 4 × 100 = 1106 MiB; more than 2 processors help nobody.
    expect(summary(decision)).toEqual({ mainMb: 2048, remote: [] });
    // Steps of a microsecond add half of one. Prefill 10 + 1000 + 2 × (4 × 2 + 2000 × 0.5) = 3026, 5 tokens of 6 + 2 × (0.5 + 2 × 1) = 11: 3081 + 5 ms.
    // 2 GiB and 2 processors: 4 a second.
    expect(decision?.evaluation.cost).toBeCloseTo(3.0860005 * 4, 9);
  });

  it("mix: a greater size where time saved pays for it", () => {
    const decision = plan("mix", withDevice);
    // 1024 MiB would hold the experts. Prefill 4050 and 5 tokens of 13.004 ms, + 5, at 2 + 8 × 0.25 a second: 16.48.
    // 2048 MiB: 12 + 2 × 1008 + 4 × 1.5 = 2034 and 5 × (1 + 2 × 2.5 + 4 × 0.501) = 40.02, + 5, at 6 a second.
    expect(summary(decision)).toEqual({ mainMb: 2048, remote: [] });
    expect(decision?.evaluation.cost).toBeCloseTo(2.0790205 * 6, 9);
  });

  it("gpu: all weights on the device, next to nothing beside it", () => {
    const decision = plan("gpu", withDevice);
    // Prefill 2 + 10 + 2 × (4 × 0.4 + 2000 × 0.01) = 55.2, 5 × (1 + 2 × (0.1 + 0.4)) = 10, + 5: 70.2 ms.
    // 1 GiB, 1 processor and (200 + 56 + 800) / 1024 GiB of graphics memory at 8: 10.25 a second.
    expect(summary(decision)).toEqual({ mainMb: 1024, remote: [] });
    expect(decision?.evaluation.cost).toBeCloseTo(0.0702005 * 10.25, 9);
  });

  it("fetch: as fast as the device, all experts in the host's memory, the active ones on the device", () => {
    const decision = plan("fetch", withDevice);
    // 50 + 800 MiB fit into 1024. (200 + 56 + 2 × 2 × 100) / 1024 × 8 = 5.125
    expect(summary(decision)).toEqual({ mainMb: 1024, remote: [] });
    expect(decision?.evaluation.cost).toBeCloseTo(0.0702005 * 7.125, 9);
  });

  it.each(["gpu", "fetch", "mix"])("%s: none without a device", (name) => {
    expect(plan(name, tinyProblem)).toBeNull();
  });

  it("lambdaml: the most memory everywhere", () => {
    const decision = plan("lambdaml", tinyProblem);
    expect(summary(decision)).toEqual({ mainMb: 4096, remote: [4, 4] });
    expect(decision?.placement.plan.layers.map(({ memoryMb }) => memoryMb)).toEqual([2048, 2048]);
  });

  it("all-remote: every expert of each layer in a function of its own", () => {
    const layers = plan("all-remote", tinyProblem)?.placement.plan.layers ?? [];
    expect(layers.map(({ remote, replicas }) => [remote, replicas])).toEqual(
      [0, 1].map(() => [[0, 1, 2, 3], [[0, 1, 2, 3]]]),
    );
    expect(new Set(layers.map((layer) => layer.function)).size).toBe(2);
  });

  it("all-remote: a layer that does not fit into the best size has the next", () => {
    // Memory makes them no faster, therefore the least is best.
    const profile = { ...tinyProblem.profile, remote: deviceProfile.gpu?.experts ?? tinyProblem.profile.remote };
    const sizes = { ...tinyProblem.sizes, expertMb: [100, 400] };
    const decision = plan("all-remote", { ...tinyProblem, sizes, profile });
    expect(decision?.placement.plan.layers.map(({ memoryMb }) => memoryMb)).toEqual([512, 2048]);
    const tooLarge = { ...tinyProblem, sizes: { ...sizes, expertMb: [100, 600] } };
    expect(plan("all-remote", tooLarge)).toBeNull();
    expect(plan("lambdaml", tooLarge)).toBeNull();
  });

  it("uniform-memory: the experts with the highest ids, whatever is predicted", () => {
    // 1024 MiB cannot hold the 1106 of everything.
    const specs = { main: [512, 1024], experts: [512], maxReplicas: 1 };
    const { matrix } = tinyProblem.demand;
    for (const each of [matrix, matrix.toReversed()]) {
      const problem = { ...tinyProblem, specs, demand: { ...tinyProblem.demand, matrix: each } };
      const [first, second] = plan("uniform-memory", problem)?.placement.plan.layers ?? [];
      expect(first?.remote).toEqual([0, 1, 2, 3].slice(-(first?.remote.length ?? 0)));
      expect(second?.remote).toEqual(first?.remote);
    }
  });

  it("gives what misses the objectives least where nothing meets them", () => {
    const decision = plan("cpu", { ...tinyProblem, slo: { ttftMs: 1, tpotMs: null } });
    expect(decision?.feasible).toBe(false);
    expect(decision?.evaluation.violations).toHaveLength(1);
    expect(decision?.placement.plan.specMain.memoryMb).toBe(2048);
  });
});

describe("relations that must hold", () => {
  it("uniform-memory costs no more than the plans it contains", () => {
    fc.assert(
      fc.property(arbitraryProblem, (problem) => {
        const uniform = plan("uniform-memory", problem);
        for (const contained of [plan("all-remote", problem), plan("lambdaml", problem)]) {
          if (contained?.feasible) expect(uniform?.evaluation.cost).toBeLessThanOrEqual(contained.evaluation.cost);
        }
        const local = plan(problem.profile.mix === null ? "cpu" : "mix", problem);
        if (local?.feasible) expect(uniform?.evaluation.cost).toBeLessThanOrEqual(local.evaluation.cost);
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  it("fetch costs no more than gpu where the host's memory costs nothing", () => {
    fc.assert(
      fc.property(arbitraryProblem, ({ prices, ...problem }) => {
        const free = { ...prices, busy: { perGbSecond: 0, perVcpuSecond: 0, perGpuGbSecond: 8 } };
        const [fetch, gpu] = ["fetch", "gpu"].map((name) => plan(name, { ...problem, prices: free })?.evaluation.cost);
        expect(fetch ?? 0).toBeLessThanOrEqual(gpu ?? 0);
      }),
      { seed: 2, numRuns: 100 },
    );
  });

  describe.each([...BASELINES.keys()])("%s", (name) => {
    it("costs k times as much at k times the prices", () => {
      fc.assert(
        fc.property(arbitraryProblem, fc.double({ min: 0.01, max: 100, noNaN: true }), (problem, k) => {
          const once = plan(name, problem)?.evaluation.cost ?? 0;
          const scaled = plan(name, { ...problem, prices: times(problem.prices, k) })?.evaluation.cost ?? 0;
          expect(Math.abs(scaled - k * once)).toBeLessThanOrEqual(1e-9 * k * once);
        }),
        { seed: 3, numRuns: 100 },
      );
    });

    it("never costs more, nor stops to be feasible, with looser objectives", () => {
      fc.assert(
        fc.property(arbitraryProblem, fc.double({ min: 1, max: 4, noNaN: true }), (problem, factor) => {
          const tight = plan(name, problem);
          const loose = plan(name, { ...problem, slo: looser(problem.slo, factor) });
          if (!tight?.feasible) return;
          expect(loose?.feasible).toBe(true);
          expect(loose?.evaluation.cost).toBeLessThanOrEqual(tight.evaluation.cost);
        }),
        { seed: 4, numRuns: 100 },
      );
    });
  });
});

function times(prices: PriceBook, k: number): PriceBook {
  const { perGbSecond, perVcpuSecond, perGpuGbSecond } = prices.busy;
  const busy = { perGbSecond: k * perGbSecond, perVcpuSecond: k * perVcpuSecond, perGpuGbSecond: k * perGpuGbSecond };
  return { ...prices, perRequest: k * prices.perRequest, busy };
}

function looser({ ttftMs, tpotMs }: PlanningProblem["slo"], factor: number): PlanningProblem["slo"] {
  return { ttftMs: ttftMs && ttftMs * factor, tpotMs: tpotMs && tpotMs * factor };
}
