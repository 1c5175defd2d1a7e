import { createRandom } from "../../core/random.ts";
import { toActivationMatrix } from "../../predictor/activation-matrix.ts";
import type { Contention, CostProfile, ExpertTimes, MainTimes, SpeedCurve } from "../cost-profile.ts";
import { toDemand } from "../demand.ts";
import { bothKinds } from "../plan-kind.ts";
import type { PlanningProblem } from "../problem.ts";
import { tinyPrices, tinyProfile } from "./tiny-problem.ts";

type Between = (low: number, high: number) => number;

/**
 * A problem without objectives that is small enough for exact planners and has sizes of functions near what its model
 * needs, with and without a device; something always fits. 2 to 4 layers of 4 to 8 experts. Equal seeds, equal problems.
 */
export function randomInstance(seed: number, { isCold }: { readonly isCold: boolean }): PlanningProblem {
  const random = createRandom(seed);
  const between: Between = (low, high) => low + random() * (high - low);
  const whole: Between = (low, high) => Math.floor(between(low, high + 1));
  const shape = { layers: whole(2, 4), experts: whole(4, 8), expertsPerToken: whole(1, 3) };
  const expertMb = Array.from({ length: shape.layers }, () => whole(20, 200));
  const base = { nonExpertMb: whole(50, 400), cacheMb: whole(0, 100), mainBaseMb: whole(20, 80), expertsBaseMb: 50 };
  const allMb = base.nonExpertMb + base.cacheMb + base.mainBaseMb + shape.experts * expertMb.reduce((a, b) => a + b);
  const ascending = (count: number, low: number, high: number): number[] =>
    Array.from({ length: count }, () => whole(low, high)).sort((a, b) => a - b);
  const logits = Array.from({ length: shape.layers * shape.experts }, () => between(-3, 2));
  const matrix = toActivationMatrix(logits.map(Math.exp), shape);
  return {
    sizes: { name: "random", ...shape, expertMb, ...base },
    profile: { ...randomProfile(between), contention: randomContention(createRandom(CONTENTION_SEEDS + seed)) },
    prices: {
      ...tinyPrices,
      rounding: { granularityMs: between(0, 1) < 0.5 ? 0.001 : 1, minimumMs: 0 },
      perRequest: between(0, 0.002),
    },
    specs: {
      main: ascending(whole(2, 5), base.mainBaseMb + base.nonExpertMb + base.cacheMb, 1.2 * allMb),
      experts: [...ascending(whole(1, 3), 100, 1700), 1800],
      maxReplicas: whole(1, 2),
    },
    workload: { promptTokens: whole(1, 200), outputTokens: whole(0, 50) },
    demand: toDemand(matrix, [], shape),
    slo: { ttftMs: null, tpotMs: null },
    isCold,
    margin: bothKinds({ ttft: between(1, 1.2), tpot: between(1, 1.2) }),
  };
}

/** The same with so many sizes of functions that a planner looks at some of them first. */
export function withManySizes(problem: PlanningProblem, seed: number): PlanningProblem {
  const random = createRandom(SIZE_SEEDS + seed);
  const withMore = (sizes: readonly number[]): number[] => {
    const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
    const more = Array.from({ length: MORE_SIZES }, () => Math.round(least + random() * (most - least)));
    return [...new Set([...sizes, ...more])].sort((a, b) => a - b);
  };
  const { main, experts } = problem.specs;
  return { ...problem, specs: { ...problem.specs, main: withMore(main), experts: withMore(experts) } };
}

/** The same where idle time costs so many times what busy time does. */
export function withIdlePrices({ prices, ...problem }: PlanningProblem, share: number): PlanningProblem {
  const { perGbSecond, perVcpuSecond, perGpuGbSecond } = prices.busy;
  const idle = {
    perGbSecond: share * perGbSecond,
    perVcpuSecond: share * perVcpuSecond,
    perGpuGbSecond: share * perGpuGbSecond,
  };
  return { ...problem, prices: { ...prices, idle } };
}

const CONTENTION_SEEDS = 1_000_000;
const SIZE_SEEDS = 2_000_000;
const MORE_SIZES = 10;

/** None in every other one. */
function randomContention(random: () => number): Contention {
  return random() < 0.5 ? { prefill: 0, decode: 0 } : { prefill: random(), decode: random() };
}

function randomProfile(between: Between): CostProfile {
  const curve = (ms: number): SpeedCurve => {
    const serial = ms * between(0, 0.5);
    const vcpus = [0.25, 0.5, 1, 2, 4];
    return { vcpus, ms: vcpus.map((each) => serial + ms / each) };
  };
  const experts = (): ExpertTimes => ({
    decodeLayer: curve(between(0, 0.5)),
    decodeRow: curve(between(0.2, 3)),
    prefillExpert: curve(between(0.2, 4)),
    prefillRow: curve(between(0.02, 1)),
  });
  const own = experts();
  const main = (): MainTimes => ({
    decodeToken: curve(between(0.5, 10)),
    prefillPrompt: curve(between(1, 20)),
    prefillToken: curve(between(0.1, 2)),
    experts: own,
  });
  return {
    ...tinyProfile,
    cpu: main(),
    mix: between(0, 1) < 0.3 ? main() : null,
    split: main(),
    remote: between(0, 1) < 0.5 ? own : experts(),
    wire: {
      callMs: between(0, 1) < 0.5 ? between(0, 0.5) : between(0.5, 8),
      perHiddenStateMs: between(0, 0.1),
      batchTokens: 128,
      payloadHiddenStates: between(0, 1) < 0.3 ? 200 : null,
    },
    swap: { fixedMs: between(0, 0.2), perHiddenStateMs: between(0, 0.01) },
    overhead: { mainMs: between(0, 10), gatewayMs: between(0, 10) },
    coldStart: {
      main: { fixedMs: between(10, 200), perMb: between(0.05, 1) },
      experts: { fixedMs: between(10, 200), perMb: between(0.05, 1) },
      deviceMs: 0,
      parallel: null,
    },
  };
}
