import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine } from "../src/engine/engine.ts";
import { BUNDLED_MODEL, bundledPrompts } from "../src/engine/testing/bundled-model.ts";
import { runGeneration } from "../src/engine/testing/run-generation.ts";
import { listDevices } from "../src/ggml/device.ts";
import { findInstallation } from "../src/ggml/installation.ts";
import { loadNative } from "../src/ggml/library.ts";
import { readGguf } from "../src/gguf/read.ts";

/** Why the suite cannot run here, or null. */
function missing(): string | null {
  const { accelerators } = findInstallation();
  if (!accelerators.some((library) => library.includes("vulkan"))) {
    return "the package @node-llama-cpp/linux-x64-vulkan is not installed";
  }
  const device = listDevices(loadNative()).find(({ name }) => name.startsWith("Vulkan"));
  return device === undefined ? "there is no Vulkan device (Debian: mesa-vulkan-drivers gives a software one)" : null;
}

const reason = missing();
if (reason !== null) process.stderr.write(`test:vulkan is skipped: ${reason}\n`);

/** Largest difference that other kernels and f16 products make on the bundled model, a few times what was seen. */
const LOGIT_TOLERANCE = 0.5;

describe.skipIf(reason !== null)("non-expert weights and cache on a Vulkan device, experts on the processor", () => {
  const native = loadNative();
  const file = readGguf(BUNDLED_MODEL);
  const prompts = reason === null ? bundledPrompts(native, 4) : [];
  let device: Engine;
  let processor: Engine;

  beforeAll(async () => {
    device = await Engine.load(native, file, { threads: 2, device: "Vulkan0" });
    processor = await Engine.load(native, file, { threads: 2 });
  });

  afterAll(() => {
    processor[Symbol.dispose]();
    device[Symbol.dispose]();
  });

  it.each(prompts.map((prompt, i) => [i, prompt] as const))(
    "prompt %i: logits close to the processor's",
    async (_, prompt) => {
      const there = await runGeneration(device, prompt, { maxTokens: 6 });
      const here = await runGeneration(processor, prompt, { maxTokens: 6 });
      const [first, reference] = [there.logits[0] as Float32Array, here.logits[0] as Float32Array];
      const difference = first.reduce((max, logit, i) => Math.max(max, Math.abs(logit - (reference[i] as number))), 0);
      expect(difference).toBeGreaterThan(0);
      expect(difference).toBeLessThan(LOGIT_TOLERANCE);
      expect(there.tokens[0]).toBe(here.tokens[0]);
    },
  );

  it("counts every prompt token of a traced request in every layer", async () => {
    const long = prompts.flat().slice(0, 150);
    const { done } = await runGeneration(device, long, { maxTokens: 2, traceTokens: 8 });
    const { layers, expertsPerToken: k } = device.hyper;
    const rows = done.activations.prefill.map((layer) => layer.reduce((a, b) => a + b));
    expect(rows).toEqual(Array(layers).fill(long.length * k));
    expect(done.samples.prefill.experts).toHaveLength(8 * layers * k);
  });

  it("computes a prompt longer than one pass", async () => {
    const long = prompts.flat().slice(0, 150);
    const there = await runGeneration(device, long, { maxTokens: 2 });
    const here = await runGeneration(processor, long, { maxTokens: 2 });
    expect(there.tokens[0]).toBe(here.tokens[0]);
    expect(there.done.activations.prefill.map(sum)).toEqual(here.done.activations.prefill.map(sum));
  });

  it("refuses a device that is not there, naming those that are", async () => {
    const loading = Engine.load(native, file, { threads: 1, device: "Vulkan9" });
    await expect(loading).rejects.toMatchObject({ code: "DEVICE_UNKNOWN" });
    await expect(loading).rejects.toThrow("Vulkan9");
  });

  it("refuses exact numerics: a device rounds as it does", async () => {
    const loading = Engine.load(native, file, { threads: 1, device: "Vulkan0", numerics: "exact" });
    await expect(loading).rejects.toMatchObject({ code: "NUMERICS_NEED_PROCESSOR" });
  });
});

function sum(counts: readonly number[]): number {
  return counts.reduce((a, b) => a + b, 0);
}
