import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { WireTimes } from "./cost-profile.ts";
import {
  decodeLayerTime,
  expertSpeed,
  type LayerHardware,
  loadOf,
  NO_LOAD,
  type PrefillLayer,
  prefillBusyMs,
  prefillLayerTime,
} from "./layer-time.ts";
import { tinyProfile } from "./testing/tiny-problem.ts";

/** As good as none. */
const exact = { granularityMs: 0.001, minimumMs: 0 };
const toTheMs = { granularityMs: 1, minimumMs: 0 };

const local = { decodeLayer: 0.5, decodeRow: 1, prefillExpert: 2, prefillRow: 0.5 };
const remote = { decodeLayer: 1, decodeRow: 2, prefillExpert: 4, prefillRow: 1 };
const wire: WireTimes = { callMs: 3, perHiddenStateMs: 0.25, batchTokens: 512, payloadHiddenStates: null };
const none = { prefill: 0, decode: 0 };
const hardware: LayerHardware = { local, remote, wire, contention: none, rounding: exact };

const freeWire: WireTimes = { ...wire, callMs: 0, perHiddenStateMs: 0 };

it("a function's speed is what each of its curves says", () => {
  expect(expertSpeed(tinyProfile.remote, 1)).toEqual(remote);
  expect(expertSpeed(tinyProfile.remote, 2)).toEqual(local);
});

describe("decode of a layer", () => {
  it("is local where nothing is remote", () => {
    // layer + 2 rows = 0.5 + 2 · 1
    expect(decodeLayerTime(Float64Array.of(1, 0, 0), 1, hardware)).toEqual({ ms: 2.5, calls: 0, billedMs: 0 });
  });

  it("waits for the remote half where everything is remote", () => {
    const { ms, calls, billedMs } = decodeLayerTime(Float64Array.of(0, 0, 1), 1, { ...hardware, rounding: toTheMs });
    // Busy: layer + 2 rows = 1 + 2 · 2 = 5. On the wire: one state there, two back, 3 · 0.25. A call: 3.
    expect(ms).toBe(3 + 0.75 + 5);
    expect(calls).toBe(1);
    // Half a millisecond for rounding up.
    expect(billedMs).toBe(5.5);
  });

  it("computes nothing locally where everything is remote", () => {
    const atOnce = { decodeLayer: 0, decodeRow: 0, prefillExpert: 0, prefillRow: 0 };
    expect(decodeLayerTime(Float64Array.of(0, 0, 1), 1, { ...hardware, remote: atOnce, wire: freeWire }).ms).toBe(0);
  });

  it("waits for the slower half, token by token", () => {
    // A local expert of 10 ms a row is slower than the call with the other row: 0.5 + 10 against 3 + 0.5 + 3.
    const slow = { ...hardware, local: { ...local, decodeRow: 10 } };
    expect(decodeLayerTime(Float64Array.of(0, 1, 0), 1, slow).ms).toBe(10.5);
    expect(decodeLayerTime(Float64Array.of(0, 1, 0), 1, hardware).ms).toBe(6.5);
    // Half of the tokens have both rows remote, half none: not the mean of one row, 6.5.
    expect(decodeLayerTime(Float64Array.of(0.5, 0, 0.5), 1, hardware).ms).toBe((2.5 + 8.75) / 2);
  });

  it("waits for both halves as far as they get in each other's way", () => {
    const times = (decode: number): number =>
      decodeLayerTime(Float64Array.of(0, 1, 0), 1, { ...hardware, contention: { prefill: 0, decode } }).ms;
    // Local 0.5 + 1, remote 6.5.
    expect([times(0), times(0.5), times(1)]).toEqual([6.5, 7.25, 8]);
  });

  it("calls as many replicas as its rows meet", () => {
    const { ms, calls, billedMs } = decodeLayerTime(Float64Array.of(0, 0, 1), 2, hardware);
    // Two rows meet one replica or both, each half of the time: 1.5 calls of 4/3 rows, busy 1 + 8/3.
    expect(calls).toBe(1.5);
    expect(ms).toBeCloseTo(3 + (7 / 3) * 0.25 + 11 / 3, 10);
    expect(billedMs).toBeCloseTo(1.5 * (11 / 3), 2);
  });

  it("is the paper's where a token has one row and time grows with rows alone", () => {
    const times = { ...hardware, local: { ...local, decodeLayer: 0 }, remote: { ...remote, decodeLayer: 0 } };
    const atRow = (s: number): number => decodeLayerTime(Float64Array.of(1 - s, s), 1, times).ms;
    // (1 − s) · GT^loc + s (GT^rem + 2 D/B + t^rem)
    for (const s of [0, 0.25, 1]) expect(atRow(s)).toBeCloseTo((1 - s) * 1 + s * (2 + 2 * 0.25 + 3), 12);
  });
});

describe("prefill of a layer", () => {
  const layer = (changes: Partial<PrefillLayer> = {}): PrefillLayer => ({
    promptTokens: 1000,
    local: { rows: 1500, used: 2 },
    remote: [{ rows: 500, used: 2 }],
    ...changes,
  });

  it("is local where nothing is remote", () => {
    // 2 experts · 2 + 1500 rows · 0.5
    expect(prefillLayerTime(layer({ remote: [] }), hardware)).toEqual({ ms: 754, calls: 0, billedMs: 0 });
  });

  it("waits for the remote half if that is slower", () => {
    const { ms, calls, billedMs } = prefillLayerTime(layer(), { ...hardware, rounding: toTheMs });
    // 1000 tokens are 2 batches. 500 states there and 500 back. Busy: 2 experts · 4 + 500 rows · 1.
    expect(ms).toBe(2 * 3 + 1000 * 0.25 + 508);
    expect(calls).toBe(2);
    // Each of two calls of 254 ms is rounded up.
    expect(billedMs).toBe(2 * 254.5);
  });

  it("waits for both halves as far as they get in each other's way", () => {
    const half = { ...hardware, contention: { prefill: 0.5, decode: 0 } };
    // Local 754; remote as above: 6 + 250 + 508.
    expect(prefillLayerTime(layer(), half).ms).toBe(764 + 0.5 * 754);
  });

  it("waits for the slowest replica, and pays all", () => {
    const uneven = [
      { rows: 100, used: 1 },
      { rows: 700, used: 1 },
    ];
    const { ms, calls, billedMs } = prefillLayerTime(layer({ remote: uneven }), hardware);
    expect(ms).toBe(2 * 3 + 1400 * 0.25 + (4 + 700));
    expect(calls).toBe(4);
    expect(billedMs).toBeCloseTo(104 + 704, 2);
  });

  it("sends a token's hidden state once, however many of its rows are remote", () => {
    const everything = layer({ local: NO_LOAD, remote: [{ rows: 2000, used: 4 }] });
    // 1000 states there, 2000 back.
    expect(prefillLayerTime(everything, hardware).ms).toBe(2 * 3 + 3000 * 0.25 + 2016);
  });

  it("takes as many calls as payloads need", () => {
    const small = { ...hardware, wire: { ...wire, payloadHiddenStates: 300 } };
    // 1000 states in calls of 300
    expect(prefillLayerTime(layer(), small).calls).toBe(4);
  });

  it("does not call a replica without rows", () => {
    const { calls } = prefillLayerTime(layer({ remote: [NO_LOAD, { rows: 500, used: 2 }] }), hardware);
    expect(calls).toBe(2);
  });

  it("is nothing without a prompt", () => {
    const nothing = layer({ promptTokens: 0, local: NO_LOAD, remote: [NO_LOAD] });
    expect(prefillLayerTime(nothing, hardware)).toEqual({ ms: 0, calls: 0, billedMs: 0 });
  });

  it("is the paper's where rows are of different tokens and one call carries them", () => {
    const { ms } = prefillLayerTime(layer({ promptTokens: 500 }), hardware);
    // max(Σ PT^loc, Σ (PT^rem + 2 N^pre D/B) + t^rem)
    expect(ms).toBe(Math.max(754, 508 + 2 * 500 * 0.25 + 3));
  });
});

describe("the load of an expert", () => {
  it("is its share of rows; it is used if there is one", () => {
    expect(loadOf(0.5, 2000)).toEqual({ rows: 1000, used: 1 });
    expect(loadOf(0.125, 8).used).toBeCloseTo(1 - 1 / Math.E, 12);
    expect(loadOf(0, 2000).used).toBeCloseTo(0, 12);
  });

  it("is never used more often than it has rows", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(10_000), (share, total) => {
        const { rows, used } = loadOf(share, total);
        expect(used).toBeLessThanOrEqual(Math.min(1, rows));
        expect(used).toBeGreaterThanOrEqual(0);
      }),
      { seed: 1 },
    );
  });

  it("adds up, and so does the time it takes", () => {
    const [a, b] = [loadOf(0.25, 40), loadOf(0.5, 40)];
    const both = { rows: a.rows + b.rows, used: a.used + b.used };
    expect(prefillBusyMs(both, remote)).toBeCloseTo(prefillBusyMs(a, remote) + prefillBusyMs(b, remote), 10);
  });
});

describe("a layer", () => {
  const times = fc.double({ min: 0, max: 100, noNaN: true });
  const speeds = fc.record({ decodeLayer: times, decodeRow: times, prefillExpert: times, prefillRow: times });
  const machines: fc.Arbitrary<LayerHardware> = fc.record({
    local: speeds,
    remote: speeds,
    wire: fc.record({
      callMs: times,
      perHiddenStateMs: times,
      batchTokens: fc.integer({ min: 1, max: 512 }),
      payloadHiddenStates: fc.option(fc.integer({ min: 1, max: 512 })),
    }),
    contention: fc.record({
      prefill: fc.double({ min: 0, max: 1, noNaN: true }),
      decode: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    rounding: fc.constantFrom(exact, toTheMs),
  });
  const shares = fc
    .array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 9 })
    .map((counts) => Float64Array.from(counts, (count) => count / counts.reduce((a, b) => a + b)));
  const loads = fc.record({ rows: fc.nat(500), used: fc.nat(8) });
  const layers: fc.Arbitrary<PrefillLayer> = fc.record({
    promptTokens: fc.integer({ min: 1, max: 2000 }),
    local: loads,
    remote: fc.array(loads, { maxLength: 4 }),
  });
  const none = { decodeLayer: 0, decodeRow: 0, prefillExpert: 0, prefillRow: 0 };
  const localOnly = (machine: LayerHardware): LayerHardware => ({ ...machine, remote: none, wire: freeWire });
  const remoteOnly = (machine: LayerHardware): LayerHardware => ({ ...machine, local: none });

  it("is never faster than its slower half", () => {
    fc.assert(
      fc.property(machines, shares, fc.integer({ min: 1, max: 4 }), layers, (machine, each, replicas, layer) => {
        for (const half of [localOnly(machine), remoteOnly(machine)]) {
          const slack = 1 + 1e-12;
          expect(decodeLayerTime(each, replicas, machine).ms * slack).toBeGreaterThanOrEqual(
            decodeLayerTime(each, replicas, half).ms,
          );
          expect(prefillLayerTime(layer, machine).ms).toBeGreaterThanOrEqual(prefillLayerTime(layer, half).ms);
        }
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  it("is never slower than both halves one after the other", () => {
    fc.assert(
      fc.property(machines, shares, layers, (machine, each, layer) => {
        const [left, right] = [localOnly(machine), remoteOnly(machine)];
        const slack = 1 + 1e-12;
        expect(decodeLayerTime(each, 1, machine).ms).toBeLessThanOrEqual(
          (decodeLayerTime(each, 1, left).ms + decodeLayerTime(each, 1, right).ms) * slack,
        );
        expect(prefillLayerTime(layer, machine).ms).toBeLessThanOrEqual(
          (prefillLayerTime(layer, left).ms + prefillLayerTime(layer, right).ms) * slack,
        );
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});
