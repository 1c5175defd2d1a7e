import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import type { SpeedCurve } from "../planner/cost-profile.ts";
import { timeAt } from "../planner/speed-curve.ts";
import { identifyProfile } from "./identify-profile.ts";
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
};
const SUBJECT = { machine: "a machine", date: "2026-01-31", model: "a model", parallelStarts: 2 };

const identify = (noise?: () => number) => identifyProfile(syntheticMeasurements(KNOWN, noise), SUBJECT);

/** What was found for each known time, on one processor. */
function foundTimes({ profile: { cpu, split, remote, wire, coldStart } }: ReturnType<typeof identify>): KnownTimes[] {
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
  }));
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
      const { call, prompt, decodeLayer, ...others } = Object.fromEntries(off) as Record<keyof KnownTimes, number>;
      expect(Math.max(...Object.values(others))).toBeLessThan(0.1);
      // Small beside what they are measured with: a percent of that is much of them.
      expect(Math.max(call, prompt, decodeLayer)).toBeLessThan(0.6);
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
      point.expertVcpus === 1 ? point : { ...point, tokenMs: { ...point.tokenMs, median: point.tokenMs.median + 8 } },
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
        const median = point.tokenMs.median + slope * (point.remoteLayers - measured.shape.layers / 2);
        return { ...point, tokenMs: { ...point.tokenMs, median } };
      });
    for (const slope of [-3, -0.5, 0.5, 3]) {
      const { split, cpu, wire } = identifyProfile({ ...measured, splitDecodes: noisy(slope) }, SUBJECT).profile;
      expect(timeAt(split.decodeToken, 1)).toBeGreaterThanOrEqual(timeAt(cpu.decodeToken, 1) - 1e-9);
      expect(wire.callMs).toBeGreaterThan(0);
    }
  });

  it("has a spread of at least 1", () => {
    const { ttft, tpot } = identify().profile.spread;
    expect(ttft).toBeCloseTo(1.18, 6);
    expect(tpot).toBe(1);
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
