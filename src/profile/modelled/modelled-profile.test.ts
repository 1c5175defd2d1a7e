import { describe, expect, it } from "vitest";
import { fitExponential } from "../../planner/exponential-fit.ts";
import { timeAt } from "../../planner/speed-curve.ts";
import { DEVICES, type Device, HOSTS, type Host } from "./hardware.ts";
import { countParameters, type ModelShape, SHAPES, specsOf } from "./model-shape.ts";
import { modelledProfile } from "./modelled-profile.ts";

function named<T>(all: ReadonlyMap<string, T>, name: string): T {
  const found = all.get(name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

const host: Host = named(HOSTS, "xeon-gold-6348");
const a100: Device = named(DEVICES, "a100-80gb");
const lite: ModelShape = named(SHAPES, "deepseek-v2-lite");

describe("model shapes", () => {
  it.each([
    ["deepseek-v2-lite", 15.7e9],
    ["olmoe-1b-7b", 6.92e9],
    ["qwen3-30b-a3b", 30.5e9],
    ["deepseek-v3", 671e9],
    // GPT-2 small has 124 M, of which 12 × 4.72 M in MLPs; seven more of each.
    ["gpt2-moe", 124e6 + 7 * 12 * 2 * 768 * 3072],
  ])("%s has the published number of parameters to within 1 %%", (name, published) => {
    expect(countParameters(named(SHAPES, name)).total / published).toBeCloseTo(1, 2);
  });

  it("have the specs of the paper's experiments", () => {
    const { main, experts, maxReplicas } = specsOf(lite);
    expect([main[0], main[1], main.at(-1)]).toEqual([1000, 1100, 40_000]);
    expect([experts[0], experts.at(-1), maxReplicas]).toEqual([1000, 5000, 8]);
    const small = specsOf(named(SHAPES, "gpt2-moe"));
    expect([small.main[0], small.main.at(-1), small.experts[0], small.experts.at(-1)]).toEqual([200, 5000, 200, 2000]);
  });
});

describe("DeepSeek-V2-Lite on the paper's hardware, worked by hand", () => {
  const { profile, sizes } = modelledProfile({ device: a100, host, shape: lite });
  // An expert: 3 × 2048 × 1408 weights of 2 B = 17.3 MB.
  const expertBytes = 17_301_504;

  it("is labelled as modelled, with its hardware and the day of the newest figures", () => {
    expect(profile).toMatchObject({ kind: "modelled", model: "deepseek-v2-lite", date: "2026-11-22" });
    expect(profile.machine).toBe("NVIDIA A100 80 GB (SXM), Intel Xeon Gold 6348, one socket of two");
  });

  it("reads an expert's weights for a row: 12 GB/s by one core, 1631 by the device; 8 operators of 5 µs", () => {
    expect(timeAt(profile.remote.decodeRow, 1)).toBeCloseTo(expertBytes / 12e6 + 0.04, 9);
    expect(profile.gpu && timeAt(profile.gpu.experts.decodeRow, 1)).toBeCloseTo(expertBytes / 1631.2e6 + 0.04, 9);
  });

  it("reads an expert once in prefill, and computes 2 operations a weight and row at 83.2 GFLOP/s a core", () => {
    expect(timeAt(profile.remote.prefillExpert, 1)).toBeCloseTo(expertBytes / 12e6 + 0.04, 9);
    expect(timeAt(profile.remote.prefillRow, 1)).toBeCloseTo(expertBytes / 83.2e6, 9);
  });

  it("sends 2048 values of 4 B at 10 Gbit/s, 6 MB of them in a call", () => {
    expect(profile.wire.perHiddenStateMs).toBeCloseTo(0.0065536, 12);
    expect(profile.wire.payloadHiddenStates).toBe(732);
    expect(profile.swap.perHiddenStateMs).toBeCloseTo(8192 / 32e6, 12);
  });

  it("loads weights at 5 GB/s", () => {
    expect(profile.coldStart.experts.fixedMs + (5e9 / 1024 ** 2) * profile.coldStart.experts.perMb).toBeCloseTo(
      2000,
      6,
    );
    expect([profile.coldStart.main.fixedMs, profile.coldStart.deviceMs]).toEqual([1000, 500]);
  });

  it("weighs 15.7 billion times 2 bytes", () => {
    const expertsMb = sizes.expertMb.reduce((a, b) => a + b, 0) * sizes.experts;
    expect((sizes.nonExpertMb + expertsMb) * 1024 ** 2).toBe(2 * countParameters(lite).total);
    expect(sizes.expertMb).toEqual(Array.from({ length: 26 }, () => expertBytes / 1024 ** 2));
  });
});

describe("hardware that is not there or too small", () => {
  it("has no times: without a device", () => {
    const { profile } = modelledProfile({ device: null, host, shape: lite });
    expect(profile).toMatchObject({ mix: null, gpu: null, swap: { fixedMs: 0, perHiddenStateMs: 0 } });
    expect(profile.split).toEqual(profile.cpu);
  });

  it("has no times: of experts that do not fit onto an L4", () => {
    const { profile } = modelledProfile({ device: named(DEVICES, "l4"), host, shape: lite });
    expect(profile.gpu).toBeNull();
    expect(profile.split).toEqual(profile.mix);
  });

  it("has no times: of non-expert modules that do not fit", () => {
    const { profile } = modelledProfile({ device: { ...a100, memoryMb: 2000 }, host, shape: lite });
    expect(profile).toMatchObject({ mix: null, gpu: null });
  });
});

describe.each([...SHAPES.values()])("$name", (shape) => {
  it.each([...DEVICES.values(), null])("decodes faster the more of it is on a device", (device) => {
    const { cpu, mix, gpu } = modelledProfile({ device, host, shape }).profile;
    for (const vcpus of [0.5, 1, 8, 28]) {
      const tokenMs = [cpu, mix, gpu].flatMap((times) =>
        times === null ? [] : timeAt(times.decodeToken, vcpus) + shape.layers * timeAt(times.experts.decodeRow, vcpus),
      );
      expect(tokenMs).toEqual(tokenMs.toSorted((a, b) => b - a));
    }
  });
});

/**
 * The paper's Fig. 6 fits θ2 = 11.8665 for GPT2-moe and 2.4363 for DeepSeek-V2-Lite over the same sizes. A roofline is
 * proportional to 1/y until a socket's bandwidth is used up at 14 processors, far beyond these sizes: its curves flatten
 * at a third of that rate, so that memory is worth more to modelled functions than to the paper's.
 */
describe("the exponential fitted to the modelled decode times", () => {
  it.each([
    ["gpt2-moe", 3.7, 11.8665],
    ["deepseek-v2-lite", 0.94, 2.4363],
  ])("of %s has θ2 = %f, where the paper has %f", (name, expected) => {
    const shape = named(SHAPES, name);
    const { remote } = modelledProfile({ device: a100, host, shape }).profile;
    const points = specsOf(shape).experts.map((mb) => ({ memory: mb / 1024, ms: timeAt(remote.decodeRow, mb / 1024) }));
    const { theta2, relativeResidual } = fitExponential(name, points);
    expect(theta2 / expected).toBeCloseTo(1, 1);
    expect(relativeResidual).toBeLessThan(0.1);
  });
});
