import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { BUNDLED_MODEL } from "../engine/testing/bundled-model.ts";
import { temporaryFolder } from "../engine/testing/temporary-folder.ts";
import { writeTestModel } from "../engine/testing/write-test-model.ts";
import { readGguf } from "../gguf/read.ts";
import { readTransformer } from "../model/registry.ts";
import type { SpeedCurve } from "../planner/cost-profile.ts";
import { createPlatform } from "../platform/instance-pool.ts";
import { createLocalLauncher } from "../platform/local/local-launcher.ts";
import { parseProfile } from "./parse-profile.ts";
import { type ProfileReport, profileModel } from "./profile-model.ts";

const PROCESSORS = 2;

async function measure(signal: AbortSignal, onProgress: (text: string) => void = () => {}, model = BUNDLED_MODEL) {
  const file = readGguf(model);
  const { layers, experts } = readTransformer(file).hyper;
  const secret = randomBytes(32).toString("hex");
  const platform = createPlatform(await createLocalLauncher({ secret }));
  const program = {
    model,
    layers,
    experts,
    contextLength: 256,
    parallel: 1,
    numerics: "default",
    device: null,
    threads: null,
    processors: PROCESSORS,
  } as const;
  try {
    const report = await profileModel({ file, program, platform, secret, isQuick: true, onProgress }, signal);
    return { report, left: platform.list() };
  } finally {
    await platform.close(0);
  }
}

function curvesOf(value: unknown): SpeedCurve[] {
  if (typeof value !== "object" || value === null) return [];
  return "vcpus" in value ? [value as SpeedCurve] : Object.values(value).flatMap(curvesOf);
}

describe("the bundled model profiled on this machine", () => {
  let report: ProfileReport;
  let left: readonly unknown[];
  const steps: string[] = [];

  beforeAll(async () => {
    const measured = await measure(new AbortController().signal, (text) => void steps.push(text));
    ({ report, left } = measured);
  }, 180_000);

  it("has a profile that can be read back", () => {
    const json: unknown = JSON.parse(JSON.stringify(report));
    expect(parseProfile(json, { path: "profile.json", model: "tiny-moe" })).toEqual(report.profile);
  });

  it("has curves that fall, and work that takes time", () => {
    const { cpu, split, remote } = report.profile;
    for (const { ms } of curvesOf([cpu, split, remote])) expect(ms).toEqual(ms.toSorted((a, b) => b - a));
    const token = (size: number): number =>
      [cpu.decodeToken, cpu.experts.decodeRow].reduce((sum, { ms }) => sum + (ms[size] ?? 0), 0);
    expect(token(0)).toBeGreaterThan(0);
    expect((remote.decodeLayer.ms[0] ?? 0) + (remote.decodeRow.ms[0] ?? 0)).toBeGreaterThan(0);
    expect(remote.prefillRow.ms[0]).toBeGreaterThan(0);
  });

  it("has a cold start of more than nothing, and no spread below 1", () => {
    const { coldStart, spread, overhead } = report.profile;
    expect(coldStart.main.fixedMs + coldStart.main.perMb).toBeGreaterThan(0);
    expect(coldStart.parallel).toBe(PROCESSORS);
    const { unsplit, split } = spread;
    expect(Math.min(unsplit.ttft, unsplit.tpot, split.ttft, split.tpot)).toBeGreaterThanOrEqual(1);
    expect(overhead.mainMs).toBeGreaterThan(0);
  });

  it("keeps every measurement it was made from, and how good each fit is", () => {
    const { points, fits, machine } = report;
    const sizes = new Set(points.decodes.map(({ vcpus }) => vcpus));
    expect([...sizes]).toEqual([0.5, 1, 2]);
    expect(points.prefills).toHaveLength(3 * 3);
    expect(Math.min(...points.prefills.map(({ time }) => time.ms.n))).toBeGreaterThanOrEqual(3);
    expect(fits.map(({ name }) => name)).toContain("remote.decode");
    expect(machine).toMatchObject({ processors: PROCESSORS, platform: "local", node: process.version });
  });

  it("says what it does, and leaves no function behind", () => {
    expect(steps).toContain("main function, 1 processors, 6 of 6 layers remote");
    expect(left).toEqual([]);
  });
});

it("ends at once when it is interrupted", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const interrupted = measure(controller.signal, (text) => {
    if (text.startsWith("main")) controller.abort(reason);
  });
  await expect(interrupted).rejects.toThrow("enough");
});

it("measures a model of a single layer, which no second expert function can take turns with", async () => {
  const path = join(temporaryFolder(), "single.gguf");
  writeTestModel({ path, shape: { layers: 1 } });
  const { report, left } = await measure(new AbortController().signal, undefined, path);
  expect(new Set(report.points.splitDecodes.map(({ remoteLayers }) => remoteLayers))).toEqual(new Set([1]));
  expect(left).toEqual([]);
});
