import { describe, expect, it } from "vitest";
import { Calibration } from "./calibration.ts";
import type { PlanKind } from "./plan-kind.ts";
import { bothKinds } from "./plan-kind.ts";
import { tinyProfile } from "./testing/tiny-problem.ts";

const spread = { ttft: 1.3, tpot: 1.2 };
const profile = { ...tinyProfile, spread: bothKinds(spread) };
const AS_PROFILED = { prefill: 1, decode: 1 };

interface Slower {
  /** Measured / as the profile says. */
  readonly prefill: number;
  readonly decode: number;
}

const DELAY_MS = 5;

/** Requests of a plan of which the profile says 100 ms of prefill and 10 ms a token. */
function serve(
  calibration: Calibration,
  kind: PlanKind,
  slower: readonly Slower[],
  gatewayMs = profile.overhead.gatewayMs,
): void {
  for (const { prefill, decode } of slower) {
    const factors = calibration.current.factors[kind];
    const predicted = { prefillMs: 100 * factors.prefill, tpotMs: 10 * factors.decode };
    const prefillMs = 100 * prefill;
    const times = { delayMs: DELAY_MS, prefillMs, ttftMs: prefillMs + DELAY_MS + gatewayMs, tpotMs: 10 * decode };
    calibration.observe(kind, { predicted, factors, ...times });
  }
}

const always = (count: number, slower: Slower): Slower[] => Array<Slower>(count).fill(slower);

describe("a calibration", () => {
  it("is the profile, with its spread as margin, for kinds of plans that were not served yet", () => {
    const calibration = new Calibration(profile);
    expect(calibration.current).toEqual({
      profile,
      factors: { unsplit: AS_PROFILED, split: AS_PROFILED },
      margin: { unsplit: spread, split: spread },
    });
  });

  it("makes no unsplit plan slower because split ones are", () => {
    const calibration = new Calibration(profile);
    serve(calibration, "split", always(30, { prefill: 2, decode: 3 }));
    const { factors, margin, profile: corrected } = calibration.current;
    expect(factors).toEqual({ unsplit: AS_PROFILED, split: { prefill: 2, decode: 3 } });
    expect(margin.unsplit).toEqual(spread);
    expect(corrected.cpu).toEqual(profile.cpu);
    expect(corrected.split).not.toEqual(profile.split);
  });

  it("takes split plans to be as slow and as uncertain as unsplit ones until they are served", () => {
    const calibration = new Calibration(profile);
    serve(calibration, "unsplit", [...always(38, { prefill: 2, decode: 3 }), ...always(2, { prefill: 2, decode: 6 })]);
    const slow = { prefill: 2, decode: 3 };
    expect(calibration.current.factors).toEqual({ unsplit: slow, split: slow });
    expect(calibration.current.margin.unsplit.tpot).toBeCloseTo(2, 12);
    expect(calibration.current.margin.split.tpot).toBeCloseTo(2, 12);
    serve(calibration, "split", always(3, { prefill: 1, decode: 1 }));
    expect(calibration.current.factors).toEqual({ unsplit: slow, split: AS_PROFILED });
  });

  it("learns what the gateway takes beside prediction and planning, which differ from request to request", () => {
    const calibration = new Calibration(profile);
    serve(calibration, "unsplit", always(30, { prefill: 1, decode: 1 }), 9);
    const { profile: corrected, margin } = calibration.current;
    expect(corrected.overhead).toEqual({ ...profile.overhead, gatewayMs: 9 });
    expect(margin.unsplit.ttft).toBe(1);
  });

  it("takes for uncertain only what its correction does not explain, however late that was learnt", () => {
    const calibration = new Calibration(profile);
    serve(calibration, "unsplit", always(30, { prefill: 2, decode: 3 }));
    expect(calibration.current.margin.unsplit).toEqual({ ttft: 1, tpot: 1 });
    serve(calibration, "unsplit", always(3, { prefill: 2, decode: 4.5 }));
    expect(calibration.current.margin.unsplit.ttft).toBe(1);
    expect(calibration.current.margin.unsplit.tpot).toBeCloseTo(1.5, 12);
  });

  it("learns nothing of tokens from answers that have none", () => {
    const calibration = new Calibration(profile);
    const predicted = { prefillMs: 100, tpotMs: 10 };
    for (let i = 0; i < 30; i++) {
      const times = { delayMs: DELAY_MS, prefillMs: 200, ttftMs: null, tpotMs: null };
      calibration.observe("unsplit", { predicted, factors: AS_PROFILED, ...times });
    }
    expect(calibration.current.factors.unsplit).toEqual({ prefill: 2, decode: 1 });
    expect(calibration.current.margin.unsplit).toEqual(spread);
  });
});
