import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { timeAt } from "../../planner/speed-curve.ts";
import type { Device, Host } from "./hardware.ts";
import { deviceRoofline, hostRoofline } from "./roofline.ts";

const dated = { schemaVersion: 1 as const, name: "round", title: "Round numbers", asOf: "2026-01-31", sources: [] };

const device: Device = {
  ...dated,
  memoryMb: 1024,
  memoryGbPerS: 1000,
  tflops: { f16: 100, f32: 50 },
  attainable: { bandwidth: 0.5, flops: 0.5 },
  linkGbPerS: 10,
  launchUs: 10,
};

/** 10 GB/s a core up to 80 of the socket, 50 GFLOP/s a core. */
const host: Host = {
  ...dated,
  cores: 16,
  coreGflops: 100,
  coreGbPerS: 10,
  socketGbPerS: 100,
  attainable: { bandwidth: 0.8, flops: 0.5 },
  operatorUs: 5,
};

describe("a device", () => {
  it("reads or computes, whichever takes longer, after its launches, beside any processors", () => {
    // 10⁹ B at 500 GB/s: 2 ms. 10¹² operations at 50 TFLOP/s: 20 ms, in FP32 40 ms. 3 launches of 10 µs.
    const time = deviceRoofline(device, "f16");
    for (const vcpus of [0.2, 1, 28]) expect(timeAt(time({ bytes: 1e9, flops: 0, operators: 3 }), vcpus)).toBe(2.03);
    expect(timeAt(time({ bytes: 1e9, flops: 1e12, operators: 0 }), 1)).toBe(20);
    expect(timeAt(deviceRoofline(device, "f32")({ bytes: 1e9, flops: 1e12, operators: 0 }), 1)).toBe(40);
    expect(timeAt(deviceRoofline(device, "f8")({ bytes: 1e9, flops: 1e12, operators: 0 }), 1)).toBe(20);
  });
});

describe("a host", () => {
  const time = hostRoofline(host);

  it("reads faster with more cores until the socket's bandwidth is used up", () => {
    // 80 MB: 8 ms with one core, 1 ms from 8 on.
    const reading = time({ bytes: 80e6, flops: 0, operators: 2 });
    expect(timeAt(reading, 1)).toBeCloseTo(8.01, 9);
    expect(timeAt(reading, 4)).toBeCloseTo(2.01, 9);
    expect(timeAt(reading, 8)).toBeCloseTo(1.01, 9);
    expect(timeAt(reading, 40)).toBeCloseTo(1.01, 9);
  });

  it("computes faster with every core of a socket", () => {
    // 10⁹ operations: 20 ms with one core, 1.25 ms with 16.
    const computing = time({ bytes: 0, flops: 1e9, operators: 0 });
    expect(timeAt(computing, 1)).toBeCloseTo(20, 9);
    expect(timeAt(computing, 16)).toBeCloseTo(1.25, 9);
    expect(timeAt(computing, 40)).toBeCloseTo(1.25, 9);
  });

  it("is half as fast with half a core", () => {
    expect(timeAt(time({ bytes: 80e6, flops: 0, operators: 0 }), 0.5)).toBeCloseTo(16, 9);
  });

  it("has samples enough to be exact for every number of processors, and never rises", () => {
    const work = fc.record({
      bytes: fc.double({ min: 0, max: 1e9, noNaN: true }),
      flops: fc.double({ min: 0, max: 1e10, noNaN: true }),
      operators: fc.nat(100),
    });
    fc.assert(
      fc.property(work, fc.double({ min: 1, max: 16, noNaN: true }), (each, vcpus) => {
        const readMs = each.bytes / (Math.min(10 * vcpus, 80) * 1e6);
        const expected = Math.max(readMs, each.flops / (50e6 * vcpus)) + each.operators * 0.005;
        const curve = time(each);
        expect(Math.abs(timeAt(curve, vcpus) - expected)).toBeLessThanOrEqual(1e-9 * expected);
        expect(curve.ms).toEqual(curve.ms.toSorted((a, b) => b - a));
      }),
      { seed: 1 },
    );
  });
});
