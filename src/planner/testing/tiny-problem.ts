import type { PriceBook } from "../../ledger/price-book.ts";
import type { CostProfile, ExpertTimes, MainTimes, SpeedCurve } from "../cost-profile.ts";
import { bothKinds } from "../plan-kind.ts";
import type { PlanningProblem, RoutedSets } from "../problem.ts";

/** Milliseconds with one and with two virtual processors. */
function curve(one: number, two: number): SpeedCurve {
  return { vcpus: [1, 2], ms: [one, two] };
}

const experts: ExpertTimes = {
  decodeLayer: curve(1, 0.5),
  decodeRow: curve(2, 1),
  prefillExpert: curve(4, 2),
  prefillRow: curve(1, 0.5),
};

const cpu: MainTimes = {
  decodeToken: curve(10, 6),
  prefillPrompt: curve(20, 10),
  prefillToken: curve(2, 1),
  experts,
};

export const tinyProfile: CostProfile = {
  schemaVersion: 2,
  kind: "modelled",
  machine: "round numbers",
  date: "2026-01-31",
  model: "tiny",
  cpu,
  mix: null,
  gpu: null,
  split: cpu,
  remote: experts,
  wire: { callMs: 3, perHiddenStateMs: 0.25, batchTokens: 512, payloadHiddenStates: null },
  contention: { prefill: 0, decode: 0 },
  swap: { fixedMs: 0, perHiddenStateMs: 0 },
  overhead: { mainMs: 5, gatewayMs: 4 },
  coldStart: { main: { fixedMs: 100, perMb: 1 }, deviceMs: 0, experts: { fixedMs: 50, perMb: 1 }, parallel: null },
  spread: bothKinds({ ttft: 1, tpot: 1 }),
};

/** 1 a second for each GiB, virtual processor and, times 8, GiB of graphics memory; steps of a microsecond, no fees. */
export const tinyPrices: PriceBook = {
  schemaVersion: 1,
  name: "tiny",
  title: "Round numbers",
  provider: "nobody",
  region: "nowhere",
  currency: "USD",
  asOf: "2026-01-31",
  sources: [{ url: "https://example.com", note: "made up" }],
  rounding: { granularityMs: 0.001, minimumMs: 0 },
  unit: { name: "USD", price: 1 },
  perRequest: 0,
  busy: { perGbSecond: 1, perVcpuSecond: 1, perGpuGbSecond: 8 },
  idle: { perGbSecond: 0, perVcpuSecond: 0, perGpuGbSecond: 0 },
  coldStart: "billed",
};

/** Sets of experts and how much each counts. */
export function toSets(...sets: readonly (readonly [experts: readonly number[], weight: number])[]): RoutedSets {
  return {
    experts: Uint16Array.from(sets.flatMap(([members]) => members)),
    weights: Float64Array.from(sets, ([, weight]) => weight),
  };
}

/** Two layers of four experts, two a token; a long prompt, so that every expert is certain to have rows. */
export const tinyProblem: PlanningProblem = {
  sizes: {
    name: "tiny",
    layers: 2,
    experts: 4,
    expertsPerToken: 2,
    expertMb: [100, 100],
    nonExpertMb: 200,
    cacheMb: 56,
    mainBaseMb: 50,
    expertsBaseMb: 50,
  },
  profile: tinyProfile,
  prices: tinyPrices,
  specs: { main: [1024, 2048, 4096], experts: [512, 1024, 2048], maxReplicas: 2 },
  workload: { promptTokens: 1000, outputTokens: 5 },
  demand: {
    matrix: Float32Array.of(0.375, 0.375, 0.125, 0.125, 0.25, 0.25, 0.25, 0.25),
    sets: [toSets([[0, 1], 2], [[2, 0], 1], [[2, 3], 1]), toSets([[0, 1], 1], [[3, 2], 1])],
  },
  slo: { ttftMs: null, tpotMs: null },
  isCold: false,
  margin: bothKinds({ ttft: 1, tpot: 1 }),
};
