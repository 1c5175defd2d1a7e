import fc from "fast-check";
import type { CostProfile, MainTimes, SpeedCurve } from "../../cost-profile.ts";
import type { PlanningProblem } from "../../problem.ts";
import { tinyPrices, tinyProblem, tinyProfile } from "../../testing/tiny-problem.ts";

function always(ms: number): SpeedCurve {
  return { vcpus: [0.001], ms: [ms] };
}

const gpu: MainTimes = {
  decodeToken: always(1),
  prefillPrompt: always(2),
  prefillToken: always(0.01),
  experts: {
    decodeLayer: always(0.1),
    decodeRow: always(0.2),
    prefillExpert: always(0.4),
    prefillRow: always(0.01),
  },
};
const mix: MainTimes = { ...gpu, experts: tinyProfile.remote };

/** The tiny profile with a device. */
export const deviceProfile: CostProfile = {
  ...tinyProfile,
  mix,
  gpu,
  split: mix,
  swap: { fixedMs: 0.5, perHiddenStateMs: 0.001 },
};

const amount = (max: number) => fc.double({ min: 0, max, noNaN: true });
const objective = (min: number, max: number) => fc.option(fc.double({ min, max, noNaN: true }));

/** Tiny problems with and without device, of many workloads, networks, prices and objectives. */
export const arbitraryProblem: fc.Arbitrary<PlanningProblem> = fc
  .record({
    profile: fc.constantFrom(tinyProfile, deviceProfile),
    callMs: amount(10),
    perRequest: amount(0.01),
    perGbSecond: amount(2),
    workload: fc.record({ promptTokens: fc.integer({ min: 1, max: 2000 }), outputTokens: fc.nat(500) }),
    slo: fc.record({ ttftMs: objective(10, 8000), tpotMs: objective(1, 40) }),
    isCold: fc.boolean(),
  })
  .map(({ profile, callMs, perRequest, perGbSecond, workload, slo, isCold }) => ({
    ...tinyProblem,
    profile: { ...profile, wire: { ...profile.wire, callMs } },
    prices: { ...tinyPrices, perRequest, busy: { ...tinyPrices.busy, perGbSecond } },
    workload,
    slo,
    isCold,
  }));
