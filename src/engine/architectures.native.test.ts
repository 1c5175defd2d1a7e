import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadNative } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import { SUPPORTED_ARCHITECTURES } from "../model/registry.ts";
import type { SynthQuantName } from "../model/synth/quants.ts";
import type { SynthNumbers } from "../model/synth/shape.ts";
import { TINY_SHAPES, type TinyShapeName } from "../model/synth/tiny-shapes.ts";
import { Engine } from "./engine.ts";
import { loadRuntime } from "./load-runtime.ts";
import { findOracleProblems, findPlacementProblems, somePrompt } from "./testing/compatibility.ts";
import { kullbackLeibler } from "./testing/kullback-leibler.ts";
import { bitsOf, runGeneration } from "./testing/run-generation.ts";
import { decodeInPasses, prefillInBatches } from "./testing/run-passes.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
const CONTEXT = 512;
const SHAPES = Object.keys(TINY_SHAPES) as TinyShapeName[];

function model(
  architecture: TinyShapeName,
  quant: SynthQuantName = "F32",
  shape: Partial<SynthNumbers> = {},
): GgufFile {
  return writeTestModel({ path: join(temporaryFolder(), "model.gguf"), architecture, quant, shape });
}

it("every architecture has a shape here", () => {
  const tested = new Set(Object.values(TINY_SHAPES).map(({ architecture }) => architecture));
  expect([...tested].sort()).toEqual(SUPPORTED_ARCHITECTURES.toSorted());
});

/** libllama reads files of these only if they have a head of their own. */
const NEVER_TIED: readonly TinyShapeName[] = ["bailingmoe2", "gpt-oss", "olmoe", "phimoe", "qwen2moe"];

/**
 * Default numerics round in other places than exact ones, by some 1e-4 of a logit: a divergence is about half the square
 * of that. A wrong formula changes logits by 1e-1 and more.
 */
const CLOSE_NATS = 1e-6;

describe.each(SHAPES)("%s", (architecture) => {
  it.each<SynthQuantName>(["F32", "Q8_0"])("computes what its oracle does in exact numerics, in %s", async (quant) => {
    expect(await findOracleProblems(native, model(architecture, quant))).toEqual([]);
  });

  it("computes the same bits with any number of threads and experts in any function", async () => {
    expect(await findPlacementProblems(native, model(architecture), { threads: 2 })).toEqual([]);
  });

  it("computes the same bits layer by layer, and in batches of any size", async () => {
    const file = model(architecture);
    using engine = await Engine.load(native, file, { threads: 1, contextLength: CONTEXT });
    using loaded = await loadRuntime(native, file, { threads: 1, contextLength: CONTEXT });
    const { whole, layered } = await decodeInPasses(loaded.runtime, somePrompt(20, engine.hyper));
    expect(bitsOf(layered.logits)).toBe(bitsOf(whole.logits));
    expect(layered.chosen).toEqual(whole.chosen);
    for (const length of [7, 200]) {
      const prompt = somePrompt(length, engine.hyper);
      const expected = bitsOf((await runGeneration(engine, prompt, { maxTokens: 1 })).logits);
      for (const batchTokens of [64, 128, 512]) {
        expect(bitsOf([await prefillInBatches(loaded.runtime, prompt, batchTokens)])).toBe(expected);
      }
    }
  });

  it("goes on after a replay as if it had not been cut", async () => {
    using engine = await Engine.load(native, model(architecture), { threads: 1, contextLength: CONTEXT });
    for (const length of [1, 90]) {
      const prompt = somePrompt(length, engine.hyper);
      const uncut = await runGeneration(engine, prompt, { maxTokens: 10 });
      const resumed = await runGeneration(engine, prompt, { maxTokens: 10, replayTokens: uncut.tokens.slice(0, 6) });
      expect(bitsOf(resumed.logits)).toBe(bitsOf(uncut.logits.slice(6)));
    }
  });

  it("is in default numerics close to exact ones", async () => {
    const file = model(architecture);
    using exact = await Engine.load(native, file, { threads: 1, contextLength: CONTEXT, numerics: "exact" });
    using engine = await Engine.load(native, file, { threads: 1, contextLength: CONTEXT });
    for (const length of [1, 30, 90]) {
      const prompt = somePrompt(length, engine.hyper);
      const { tokens, logits } = await runGeneration(engine, prompt, { maxTokens: 6 });
      for (const [step, actual] of logits.entries()) {
        const same = { maxTokens: step + 1, replayTokens: tokens.slice(0, step) };
        const [expected] = (await runGeneration(exact, prompt, same)).logits;
        expect(kullbackLeibler(expected as Float32Array, actual)).toBeLessThan(CLOSE_NATS);
      }
    }
  });
});

describe.each(SHAPES.filter((name) => !NEVER_TIED.includes(name)))("%s", (architecture) => {
  it("may share its head with the embeddings or have its own", async () => {
    const shape: SynthNumbers = TINY_SHAPES[architecture];
    const other = model(architecture, "F32", { tiedHead: shape.tiedHead !== true });
    expect(await findOracleProblems(native, other)).toEqual([]);
  });
});
