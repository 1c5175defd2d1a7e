import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { loadNative } from "../ggml/library.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import { readTransformer } from "../model/registry.ts";
import { Engine } from "./engine.ts";
import type { ExpertSelection } from "./expert-bank.ts";
import type { GenerationDone } from "./generation.ts";
import { loadRuntime } from "./load-runtime.ts";
import { BUNDLED_MODEL, bundledPrompts } from "./testing/bundled-model.ts";
import { drawSplit } from "./testing/draw-split.ts";
import { bitsOf, runGeneration } from "./testing/run-generation.ts";
import { decodeInPasses, prefillInBatches } from "./testing/run-passes.ts";
import { SplitExperts } from "./testing/split-experts.ts";
import { type TestModelOptions, writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
const bundled = readGguf(BUNDLED_MODEL);
const text = bundledPrompts(native, 60).flat();
/** Around the edges of tiles (64), of batches (512) and of the rows a kernel takes at once (4). */
const LENGTHS = [1, 3, 4, 5, 17, 63, 64, 65, 127, 128, 129, 300, 511, 512, 513, 700];

function load(file: GgufFile, options: { threads?: number; experts?: ExpertSelection } = {}): Promise<Engine> {
  return Engine.load(native, file, { threads: 2, contextLength: 1024, ...options });
}

const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function randomModel(name: string, options: Omit<TestModelOptions, "path">): readonly [string, GgufFile] {
  return [name, writeTestModel({ path: join(folder, `${name}.gguf`), ...options })];
}

/** The kernels of every kind of type round in their own way. */
const WIDE = { hidden: 256, heads: 4, headWidth: 64, expertWidth: 256, layers: 3, expertsPerToken: 3 };
const MODELS: readonly (readonly [string, GgufFile])[] = [
  ["bundled, Q8_0", bundled],
  randomModel("Q4_K, rearranged", { quant: "Q4_K", shape: WIDE }),
  randomModel("Q4_0, rearranged", { quant: "Q4_0", shape: { ...WIDE, layers: 2 } }),
  randomModel("F32, gate and up apart", { quant: "F32", shape: { expertWidth: 20, layers: 3 } }),
];

function promptFor(file: GgufFile, length: number): number[] {
  const { vocabulary } = readTransformer(file).hyper;
  return text.slice(0, length).map((token) => token % vocabulary);
}

describe.each(MODELS)("the default numerics give the same bits (%s)", (_, file) => {
  it("whatever the number of threads", async () => {
    const byThreads = [];
    for (const threads of [1, 2, 3]) {
      using engine = await load(file, { threads });
      const bits: Record<number, string> = {};
      for (const length of LENGTHS) {
        bits[length] = bitsOf((await runGeneration(engine, promptFor(file, length), { maxTokens: 3 })).logits);
      }
      byThreads.push(bits);
    }
    expect(byThreads[1]).toEqual(byThreads[0]);
    expect(byThreads[2]).toEqual(byThreads[0]);
  });

  it("whatever the batch size", async () => {
    using engine = await load(file);
    using loaded = await loadRuntime(native, file, { threads: 2, contextLength: 1024 });
    for (const length of LENGTHS) {
      const prompt = promptFor(file, length);
      const expected = bitsOf((await runGeneration(engine, prompt, { maxTokens: 1 })).logits);
      for (const batchTokens of [64, 128, 512]) {
        const actual = bitsOf([await prefillInBatches(loaded.runtime, prompt, batchTokens)]);
        expect(actual, `${length} tokens in batches of ${batchTokens}`).toBe(expected);
      }
    }
  });

  it("in a pass layer by layer as in a pass as a whole", async () => {
    using loaded = await loadRuntime(native, file, { threads: 2 });
    const { whole, layered } = await decodeInPasses(loaded.runtime, promptFor(file, 40));
    expect(bitsOf(layered.logits)).toBe(bitsOf(whole.logits));
    expect(layered.chosen).toEqual(whole.chosen);
  });
});

describe("experts elsewhere give the same bits", () => {
  it("for any subset, in one function or two (40 cases)", async () => {
    const cases = fc.record({
      model: fc.nat(MODELS.length - 1),
      promptTokens: fc.oneof(fc.constantFrom(1, 4, 63, 64, 65, 129, 513), fc.integer({ min: 1, max: 200 })),
      localShare: fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true })),
      functions: fc.integer({ min: 1, max: 2 }),
      seed: fc.nat(),
    });
    const property = fc.asyncProperty(cases, async ({ model, promptTokens, localShare, functions, seed }) => {
      const [, file] = MODELS[model] as (typeof MODELS)[number];
      const { hyper, prompt, whole } = await runWhole(file, promptTokens);
      const { local, remote } = drawSplit(hyper, { localShare, functions, seed });
      using engine = await load(file, { experts: local });
      using experts = await SplitExperts.load(native, file, remote);
      const split = await runGeneration(engine, prompt, { maxTokens: 6, remote: experts });
      expect(split.tokens).toEqual(whole.tokens);
      expect(bitsOf(split.logits)).toBe(bitsOf(whole.logits));
      expect(split.done.activations).toEqual(whole.done.activations);
      expectTraffic(split.done, local, experts);
    });
    await fc.assert(property, { seed: 20_260_101, numRuns: 40 });
  });

  it("of types whose kernel takes eight rows in another way than fewer, where filling would make eight of seven", async () => {
    const [, file] = randomModel("IQ3_XXS", {
      architecture: "llama",
      quant: "IQ3_XXS",
      shape: { ...WIDE, experts: 4, expertsPerToken: 4 },
    });
    using whole = await load(file);
    const { local, remote } = drawSplit(whole.hyper, { localShare: 0.5, functions: 1, seed: 3 });
    using engine = await load(file, { experts: local });
    using experts = await SplitExperts.load(native, file, remote);
    for (const token of [3, 40, 77, 150, 210]) {
      const prompt = Array.from({ length: 7 }, (_, i) => token + i);
      const expected = await runGeneration(whole, prompt, { maxTokens: 2 });
      const split = await runGeneration(engine, prompt, { maxTokens: 2, remote: experts });
      expect(bitsOf(split.logits)).toBe(bitsOf(expected.logits));
    }
  });
});

async function runWhole(file: GgufFile, promptTokens: number) {
  using engine = await load(file);
  const prompt = promptFor(file, promptTokens);
  return { hyper: engine.hyper, prompt, whole: await runGeneration(engine, prompt, { maxTokens: 6 }) };
}

/** Rows of experts in this function are local, the others remote, and a (step, layer) with remote rows is one call. */
function expectTraffic(
  { experts, activations }: GenerationDone,
  local: ExpertSelection,
  { calls }: SplitExperts,
): void {
  const rows = { local: 0, remote: 0 };
  for (const phase of [activations.prefill, activations.decode]) {
    phase.forEach((layer, i) => {
      layer.forEach((count, expert) => {
        rows[local[i]?.includes(expert) ? "local" : "remote"] += count;
      });
    });
  }
  expect(experts).toEqual({ localRows: rows.local, remoteRows: rows.remote, remoteCalls: calls.length });
  expect(calls.every((call) => call.rows > 0)).toBe(true);
  expect(calls.reduce((sum, call) => sum + call.rows, 0)).toBe(rows.remote);
}
