import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import type { SpeedCurve } from "../planner/cost-profile.ts";
import { timeAt } from "../planner/speed-curve.ts";
import { identifyProfile } from "./identify-profile.ts";
import type { TimePoint } from "./measurements.ts";
import { type KnownTimes, syntheticMeasurements } from "./testing/synthetic-measurements.ts";

const KNOWN: KnownTimes = {
  token: 3,
  prompt: 8,
  promptToken: 0.7,
  decodeLayer: 0.05,
  decodeRow: 0.2,
  prefillExpert: 0.3,
  prefillRow: 0.06,
  call: 0.12,
  hiddenState: 0.002,
  start: 150,
  startPerMb: 0.9,
  contention: 0.3,
};
const SUBJECT = { machine: "a machine", date: "2026-01-31", model: "a model", parallelStarts: 2 };

const identify = (noise?: () => number) => identifyProfile(syntheticMeasurements(KNOWN, noise), SUBJECT);

/** What was found for each known time, on one processor. */
function foundTimes({
  profile: { cpu, split, remote, wire, contention, coldStart },
}: ReturnType<typeof identify>): KnownTimes[] {
  const one = (curve: SpeedCurve): number => timeAt(curve, 1);
  return [cpu, split].map((main) => ({
    token: one(main.decodeToken),
    prompt: one(main.prefillPrompt),
    promptToken: one(main.prefillToken),
    decodeLayer: one(remote.decodeLayer),
    decodeRow: one(remote.decodeRow),
    prefillExpert: one(remote.prefillExpert),
    prefillRow: one(main.experts.prefillRow),
    call: wire.callMs,
    hiddenState: wire.perHiddenStateMs,
    start: coldStart.main.fixedMs,
    startPerMb: coldStart.experts.perMb,
    contention: main === cpu ? contention.prefill : contention.decode,
  }));
}

function moved(time: TimePoint, ms: number): TimePoint {
  return { ...time, ms: { ...time.ms, median: time.ms.median + ms } };
}

describe("a profile identified from measurements of known times", () => {
  it("has exactly these times", () => {
    for (const found of foundTimes(identify())) {
      for (const [name, ms] of Object.entries(KNOWN)) {
        expect([name, found[name as keyof KnownTimes] / ms]).toEqual([name, expect.closeTo(1, 6)]);
      }
    }
  });

  it("has nearly these times with one percent of noise", () => {
    const random = createRandom(1);
    const found = identify(() => 1 + 0.02 * (random() - 0.5));
    for (const times of foundTimes(found)) {
      const off = Object.entries(KNOWN).map(([name, ms]) => [name, Math.abs(times[name as keyof KnownTimes] / ms - 1)]);
      const { call, prompt, decodeLayer, contention, ...others } = Object.fromEntries(off) as Record<
        keyof KnownTimes,
        number
      >;
      expect(Math.max(...Object.values(others))).toBeLessThan(0.1);
      // Small beside what they are measured with: a percent of that is much of them.
      expect(Math.max(call, prompt, decodeLayer, contention)).toBeLessThan(0.6);
    }
  });

  it("takes twice as long with half a processor", () => {
    const { cpu, split, remote } = identify().profile;
    const curves = [cpu.decodeToken, cpu.prefillToken, cpu.experts.decodeRow, split.decodeToken, remote.decodeRow];
    for (const curve of curves) expect(timeAt(curve, 0.5) / timeAt(curve, 1)).toBeCloseTo(2, 6);
    expect(timeAt(split.experts.decodeRow, 0.5)).toBeCloseTo(2 * KNOWN.decodeRow, 6);
  });

  it("counts what a small expert function waits between calls as its time", () => {
    const measured = syntheticMeasurements(KNOWN);
    const waiting = measured.splitDecodes.map((point) =>
      point.expertVcpus === 1 ? point : { ...point, token: moved(point.token, 8) },
    );
    const { remote } = identifyProfile({ ...measured, splitDecodes: waiting }, SUBJECT).profile;
    const callMs = (vcpus: number): number => timeAt(remote.decodeLayer, vcpus) + 4 * timeAt(remote.decodeRow, vcpus);
    expect(callMs(0.5)).toBeCloseTo(2 * (0.05 + 4 * 0.2) + 1, 6);
    expect(callMs(1)).toBeCloseTo(0.05 + 4 * 0.2, 6);
  });

  it("takes no less layer by layer than as a whole, however the noise falls", () => {
    const measured = syntheticMeasurements(KNOWN);
    const noisy = (slope: number) =>
      measured.splitDecodes.map((point) => {
        const ms = slope * (point.remoteLayers - measured.shape.layers / 2);
        return { ...point, token: moved(point.token, ms) };
      });
    for (const slope of [-3, -0.5, 0.5, 3]) {
      const { split, cpu, wire } = identifyProfile({ ...measured, splitDecodes: noisy(slope) }, SUBJECT).profile;
      expect(timeAt(split.decodeToken, 1)).toBeGreaterThanOrEqual(timeAt(cpu.decodeToken, 1) - 1e-9);
      expect(wire.callMs).toBeGreaterThan(0);
    }
  });

  it("has the noise of equal requests as its spread", () => {
    const { spread } = identify().profile;
    // 95 % of nine or more with 0.9, 1 and 1.2 in equal parts.
    for (const kind of [spread.unsplit, spread.split]) {
      expect([kind.ttft, kind.tpot]).toEqual([expect.closeTo(1.2, 6), expect.closeTo(1.2, 6)]);
    }
  });

  it("has what it cannot explain as its spread, too, for plans of that kind", () => {
    const measured = syntheticMeasurements(KNOWN);
    // A third longer than everything else says.
    const prefills = measured.mixed.prefills.map((point, i) =>
      i === 1 ? { ...point, time: moved(point.time, point.time.ms.median / 3) } : point,
    );
    const { spread } = identifyProfile({ ...measured, mixed: { ...measured.mixed, prefills } }, SUBJECT).profile;
    expect(spread.unsplit.ttft).toBeCloseTo(1.2, 6);
    expect(spread.split.ttft).toBeGreaterThan(1.21);
  });

  it("has a spread of at least 1", () => {
    const measured = syntheticMeasurements(KNOWN);
    const faster = measured.decodes.map((point) => ({ ...point, token: { ...point.token, deviations: [0.8, 0.9] } }));
    expect(identifyProfile({ ...measured, decodes: faster }, SUBJECT).profile.spread.unsplit.tpot).toBe(1);
  });

  it("has no more contention than that one side waits for the other, and no less than none", () => {
    const measured = syntheticMeasurements(KNOWN);
    const found = (ms: number) => {
      const mixed = { ...measured.mixed, decode: moved(measured.mixed.decode, ms) };
      return identifyProfile({ ...measured, mixed }, SUBJECT).profile.contention.decode;
    };
    expect([found(-100), found(100)]).toEqual([0, 1]);
  });

  it("is slowed down by a small share as long calls are, not as short ones", () => {
    const measured = syntheticMeasurements(KNOWN);
    // What ends within a period's share takes no longer than on a whole processor.
    const expertCalls = measured.expertCalls.map((call) => {
      const isShort = call.kernel === "prefill" && call.experts === 1 && call.vcpus < 1;
      return isShort ? { ...call, ms: { ...call.ms, median: call.vcpus * call.ms.median } } : call;
    });
    const { prefillRow } = identifyProfile({ ...measured, expertCalls }, SUBJECT).profile.remote;
    expect(timeAt(prefillRow, 0.5)).toBeCloseTo(2 * KNOWN.prefillRow, 6);
  });

  it("says how good each fit is, and which there is none of", () => {
    const { fits } = identify();
    const curves = fits.slice(0, -1);
    expect(curves.map((fit) => ("relativeResidual" in fit ? fit.relativeResidual : null))).toEqual(
      curves.map(() => expect.closeTo(0, 6)),
    );
    expect(fits.at(-1)).toMatchObject({ failure: expect.stringContaining("2 sizes cannot determine three numbers") });
  });
});
