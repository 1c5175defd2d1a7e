import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadNative } from "../ggml/library.ts";
import { LlamaReference } from "../ggml/llama-reference.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { SynthQuantName } from "../model/synth/quants.ts";
import { TINY_SHAPES, type TinyShapeName } from "../model/synth/tiny-shapes.ts";
import { Engine } from "./engine.ts";
import { compareWithLlama } from "./testing/compare-with-llama.ts";
import { runGeneration } from "./testing/run-generation.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
const SAME = { contextLength: 512, threads: 1, batch: 512 };
const LENGTHS = [1, 7, 70];

const ARCHITECTURES = Object.keys(TINY_SHAPES) as TinyShapeName[];
/** llama.cpp does not know it. */
const OURS: readonly TinyShapeName[] = ["gpt2moe"];

function promptOf(length: number): number[] {
  return Array.from({ length }, (_, i) => (i * 37 + length) % 250);
}

function model(architecture: TinyShapeName, quant: SynthQuantName): GgufFile {
  return writeTestModel({ path: join(temporaryFolder(), "model.gguf"), architecture, quant });
}

describe.each(ARCHITECTURES.filter((name) => !OURS.includes(name)))("%s", (architecture) => {
  it.each<SynthQuantName>(["F32", "Q8_0"])("has libllama's logits, bit for bit, in %s", async (quant) => {
    const file = model(architecture, quant);
    using engine = await Engine.load(native, file, { ...SAME, numerics: "exact" });
    using reference = new LlamaReference(native, file.path, SAME);
    for (const length of LENGTHS) {
      const generation = await runGeneration(engine, promptOf(length), { maxTokens: 30 });
      const { maxAbsDifference, greedy } = compareWithLlama(reference, promptOf(length), generation);
      expect({ length, maxAbsDifference }).toEqual({ length, maxAbsDifference: 0 });
      expect(generation.tokens).toEqual(greedy);
    }
  });
});
