import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadNative } from "../../ggml/library.ts";
import { LlamaReference } from "../../ggml/llama-reference.ts";
import { readGguf } from "../../gguf/read.ts";
import { writeGguf } from "../../gguf/write.ts";
import { modelContent } from "./model-content.ts";
import { SYNTH_QUANTS, type SynthQuantName } from "./quants.ts";
import type { SynthShape } from "./shape.ts";
import { SYNTH_SHAPES } from "./shapes.ts";
import { TINY_SHAPES, type TinyShapeName, WIDE } from "./tiny-shapes.ts";

const native = loadNative();
/** llama.cpp does not know Remoe's own architecture. */
const NAMES = (Object.keys(TINY_SHAPES) as TinyShapeName[]).filter((name) => name !== "gpt2moe");
/** With rows of whole blocks of every type. */
const SMALLEST: SynthShape = {
  ...TINY_SHAPES.qwen3moe,
  ...WIDE,
  layers: 1,
  heads: 1,
  kvHeads: 1,
  headWidth: 256,
  experts: 2,
};
/** Before the first matrix of such a type ggml searches its tables for half a minute. */
const SLOW: readonly SynthQuantName[] = ["IQ1_S", "IQ1_M", "IQ2_XS", "IQ2_S"];
const QUANTS = (Object.keys(SYNTH_QUANTS) as SynthQuantName[]).filter((quant) => !SLOW.includes(quant));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "model-content-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function write(shape: SynthShape, quant: SynthQuantName): string {
  const path = join(folder, "model.gguf");
  writeGguf(path, modelContent(native, shape, { quant: SYNTH_QUANTS[quant], seed: 1, name: shape.architecture }));
  return path;
}

/** libllama computes finite logits that depend on the prompt. */
function expectLogits(path: string): void {
  using reference = new LlamaReference(native, path, { contextLength: 256, batch: 64, threads: 1 });
  const logits = reference.decode([1, 2, 3], 0).slice();
  reference.clear();
  expect(logits.every(Number.isFinite)).toBe(true);
  expect(new Set(logits).size).toBeGreaterThan(logits.length / 2);
  expect(reference.decode([3, 2, 1], 0)).not.toEqual(logits);
}

describe("libllama runs random models", () => {
  it.each(NAMES)("of %s", (name) => {
    expectLogits(write(TINY_SHAPES[name], "F32"));
    expectLogits(write(TINY_SHAPES[name], "MXFP4"));
    expectLogits(write({ ...TINY_SHAPES[name], ...WIDE }, "Q4_K_M"));
  });

  it.each(QUANTS)("in %s", (quant) => {
    expectLogits(write(SMALLEST, quant));
  });
});

describe("a model file", () => {
  it("of an architecture that libllama does not know is refused by it", () => {
    const path = write(TINY_SHAPES.gpt2moe, "F32");
    expect(() => expectLogits(path)).toThrow("llama_model_load_from_file");
  });

  it("has the layers that guess further tokens behind those that run", () => {
    const { tensors, metadata } = readGguf(write(TINY_SHAPES.glm4moe, "F32"));
    expect(metadata.number("glm4moe.block_count")).toBe(TINY_SHAPES.glm4moe.layers + 1);
    expect(tensors.has("blk.2.nextn.eh_proj.weight")).toBe(false);
    expect(tensors.has("blk.3.nextn.eh_proj.weight")).toBe(true);
  });

  it("has no output matrix if the head is tied", () => {
    expect(readGguf(write(TINY_SHAPES.granitemoe, "F32")).tensors.has("output.weight")).toBe(false);
    expect(readGguf(write(TINY_SHAPES.glm4moe, "F32")).tensors.has("output.weight")).toBe(true);
  });
});

it.each([
  ["olmoe-1b-7b", 6.92],
  ["deepseek-v2-lite", 15.71],
  ["qwen3-30b-a3b", 30.53],
  ["gpt-oss-20b", 20.91],
  ["mixtral-8x7b", 46.7],
] as const)("%s has the %f billion parameters of the published model", (name, billions) => {
  const { tensors } = modelContent(native, SYNTH_SHAPES[name], { quant: SYNTH_QUANTS.F32, seed: 1, name });
  const sizes = tensors.map(({ shape }) => shape.reduce((product, dimension) => product * dimension));
  const parameters = sizes.reduce((sum, size) => sum + size, 0);
  expect(parameters / 1e9).toBeCloseTo(billions, 2);
});
