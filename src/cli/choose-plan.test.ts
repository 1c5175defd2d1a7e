import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BUNDLED_MODEL } from "../engine/testing/bundled-model.ts";
import { temporaryFolder } from "../engine/testing/temporary-folder.ts";
import type { ModelProgram } from "../gateway/function-specs.ts";
import { readGguf } from "../gguf/read.ts";
import { readTransformer } from "../model/registry.ts";
import { choosePlan, deviceMemoryMb, type PlanOptions } from "./choose-plan.ts";

const file = readGguf(BUNDLED_MODEL);
const { layers, experts } = readTransformer(file).hyper;
const program: ModelProgram = {
  model: BUNDLED_MODEL,
  layers,
  experts,
  contextLength: 256,
  parallel: 1,
  numerics: "default",
  device: null,
  threads: null,
  processors: 2,
};

const choose = (options: Partial<PlanOptions> = {}) =>
  choosePlan(file, program, { remoteRatio: 0, replicas: 1, ...options });

describe("without a plan file", () => {
  it("all experts are local, and the main function has a GiB for each processor", () => {
    expect(choose()).toEqual({ specMain: { memoryMb: 2048 }, layers: [] });
  });

  it("a share of every layer's experts is remote, in one function where it is small", () => {
    const plan = choose({ remoteRatio: 0.5, replicas: 2 });
    expect(plan.layers.map(({ layer }) => layer)).toEqual(Array.from({ length: layers }, (_, layer) => layer));
    for (const { remote, replicas, memoryMb } of plan.layers) {
      expect([remote.length, memoryMb, replicas]).toEqual([experts / 2, 1024, [remote, remote]]);
    }
    expect(new Set(plan.layers.map((layer) => layer.function)).size).toBe(1);
  });

  it("functions and memory are as many as are asked for", () => {
    const plan = choose({ remoteRatio: 0.5, expertFunctions: 2, memoryMb: 640, expertMemoryMb: 512 });
    expect(plan.specMain.memoryMb).toBe(640);
    expect(new Set(plan.layers.map((layer) => layer.function)).size).toBe(2);
    expect(new Set(plan.layers.map(({ memoryMb }) => memoryMb))).toEqual(new Set([512]));
  });
});

describe("the memory of a device", () => {
  it("is that of everything but the experts, which is little", () => {
    expect(deviceMemoryMb(file, { ...program, device: "Vulkan0" })).toBeGreaterThan(2);
    expect(deviceMemoryMb(file, { ...program, device: "Vulkan0" })).toBeLessThan(8);
  });

  it("is nothing where the processor computes everything", () => {
    expect(deviceMemoryMb(file, program)).toBe(0);
  });
});

describe("a plan file", () => {
  const write = (content: string): string => {
    const path = join(temporaryFolder(), "plan.json");
    writeFileSync(path, content);
    return path;
  };
  const remote = { layer: 0, remote: [1], function: "experts-0", memoryMb: 256, replicas: [[1]] };
  const plan = { specMain: { memoryMb: 512 }, layers: [remote] };

  it("is followed", () => {
    expect(choose({ file: write(JSON.stringify(plan)), remoteRatio: 1 })).toEqual(plan);
  });

  it.each([
    ["that is no JSON", "{", "JSON"],
    ["for another model", JSON.stringify({ ...plan, layers: [{ ...remote, layer: 99 }] }), "layer 99"],
  ])("%s is refused with its path and the reason", (_, content, reason) => {
    const path = write(content);
    expect(() => choose({ file: path })).toThrow(
      expect.objectContaining({ code: "PLAN_INVALID", details: { path, problem: expect.stringContaining(reason) } }),
    );
  });

  it("that is not there is refused", () => {
    const path = join(temporaryFolder(), "plan.json");
    expect(() => choose({ file: path })).toThrow(expect.objectContaining({ code: "PLAN_INVALID" }));
  });
});
