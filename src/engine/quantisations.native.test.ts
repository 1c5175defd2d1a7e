import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadNative } from "../ggml/library.ts";
import { SYNTH_QUANTS, type SynthQuantName } from "../model/synth/quants.ts";
import { type TinyShapeName, WIDE } from "../model/synth/tiny-shapes.ts";
import { findOracleProblems, findPlacementProblems } from "./testing/compatibility.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();

/** Finding the nearest entries of their large codebooks takes seconds; `remoe bench models` checks them too. */
const SLOW_TO_WRITE: readonly SynthQuantName[] = ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S"];
const QUANTS = Object.keys(SYNTH_QUANTS) as SynthQuantName[];

/** One without and one with shared experts and dense layers, and one with biases. */
const CASES: readonly (readonly [TinyShapeName, SynthQuantName])[] = [
  ...QUANTS.filter((quant) => !SLOW_TO_WRITE.includes(quant)).map((quant) => ["qwen3moe", quant] as const),
  ...(["F16", "Q4_0", "Q4_K_M", "IQ4_NL"] as const).map((quant) => ["deepseek2", quant] as const),
  ...(["Q4_K_M", "MXFP4"] as const).map((quant) => ["gpt-oss", quant] as const),
];

describe.each(CASES)("%s in %s", (architecture, quant) => {
  it("computes what its oracle does, and the same wherever experts are", async () => {
    const path = join(temporaryFolder(), "model.gguf");
    const file = writeTestModel({ path, architecture, quant, shape: WIDE });
    expect(await findOracleProblems(native, file)).toEqual([]);
    expect(await findPlacementProblems(native, file, { threads: 1 })).toEqual([]);
  });
});

it("computes what its oracle does with rows that make no whole group of the largest kernels'", async () => {
  const shape = { ...WIDE, vocabulary: 328, tiedHead: true };
  const file = writeTestModel({ path: join(temporaryFolder(), "model.gguf"), quant: "Q4_K", shape });
  expect(await findOracleProblems(native, file)).toEqual([]);
});
