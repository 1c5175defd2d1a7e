import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadNative } from "../ggml/library.ts";
import { LlamaReference } from "../ggml/llama-reference.ts";
import { readGguf } from "../gguf/read.ts";
import type { SynthQuantName } from "../model/synth/quants.ts";
import type { SynthShape } from "../model/synth/shape.ts";
import { Engine } from "./engine.ts";
import { BUNDLED_MODEL, bundledPrompts } from "./testing/bundled-model.ts";
import { compareWithLlama } from "./testing/compare-with-llama.ts";
import { runGeneration } from "./testing/run-generation.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
/**
 * For both sides. Several threads meet after every operation, which takes milliseconds where others use the cores too:
 * one test does with two, the others with one.
 */
const SAME = { contextLength: 1024, threads: 1, batch: 512 };

function loadExact(path: string, { contextLength, threads } = SAME): Promise<Engine> {
  return Engine.load(native, readGguf(path), { contextLength, threads, numerics: "exact" });
}

describe("exact numerics are libllama's, bit for bit", () => {
  it("on the bundled model: 20 prompts, 200 greedy tokens each", async () => {
    using engine = await loadExact(BUNDLED_MODEL);
    using reference = new LlamaReference(native, BUNDLED_MODEL, SAME);
    for (const prompt of bundledPrompts(native, 20)) {
      const generation = await runGeneration(engine, prompt, { maxTokens: 200 });
      const { maxAbsDifference, steps, greedy } = compareWithLlama(reference, prompt, generation);
      expect({ maxAbsDifference, steps }).toEqual({ maxAbsDifference: 0, steps: 200 });
      expect(generation.tokens).toEqual(greedy);
    }
  });

  it("with two threads", async () => {
    const options = { ...SAME, threads: 2 };
    using engine = await loadExact(BUNDLED_MODEL, options);
    using reference = new LlamaReference(native, BUNDLED_MODEL, options);
    const prompt = bundledPrompts(native, 3).flat();
    const generation = await runGeneration(engine, prompt, { maxTokens: 8 });
    expect(compareWithLlama(reference, prompt, generation).maxAbsDifference).toBe(0);
  });

  it.each([513, 700])("on a prompt of %i tokens, longer than a batch", async (length) => {
    using engine = await loadExact(BUNDLED_MODEL);
    using reference = new LlamaReference(native, BUNDLED_MODEL, SAME);
    const prompt = bundledPrompts(native, 40).flat().slice(0, length);
    const generation = await runGeneration(engine, prompt, { maxTokens: 20 });
    expect(prompt).toHaveLength(length);
    expect(compareWithLlama(reference, prompt, generation).maxAbsDifference).toBe(0);
  });

  /** Rows of whole blocks of 256, as the k-quants want. */
  const wide: Partial<SynthShape> = { hidden: 256, heads: 4, headWidth: 64, expertWidth: 256, experts: 6 };
  /** No size is a multiple of a kernel's width, and gate and up cannot be interleaved. */
  const odd: Partial<SynthShape> = { hidden: 72, heads: 6, kvHeads: 3, headWidth: 20, expertWidth: 20, experts: 5 };
  /** 1 / √24 rounds differently in single precision, which is what libllama computes it in, and in double. */
  const inexactScale: Partial<SynthShape> = { headWidth: 24 };

  it.each<[SynthQuantName, string, Partial<SynthShape>]>([
    ["F32", "tiny", {}],
    ["F16", "tiny", {}],
    ["Q8_0", "tiny", {}],
    ["Q4_0", "tiny", {}],
    ["Q4_K", "wide", wide],
    ["Q6_K", "wide", wide],
    ["F32", "odd", odd],
    ["F16", "odd", odd],
    ["F32", "of an inexact attention scale", inexactScale],
  ])("on random weights in %s, shape %s", async (quant, _, shape) => {
    const { path } = writeTestModel({ path: join(temporaryFolder(), "random.gguf"), quant, shape });
    using engine = await loadExact(path);
    using reference = new LlamaReference(native, path, SAME);
    for (const length of [1, 7, 70]) {
      const prompt = Array.from({ length }, (_, i) => (i * 37 + length) % 250);
      const generation = await runGeneration(engine, prompt, { maxTokens: 40 });
      expect(compareWithLlama(reference, prompt, generation).maxAbsDifference).toBe(0);
    }
  });
});
