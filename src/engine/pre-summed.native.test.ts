import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadNative } from "../ggml/library.ts";
import { readGguf } from "../gguf/read.ts";
import { readTransformer } from "../model/registry.ts";
import { Engine } from "./engine.ts";
import { allExperts, type ExpertSelection } from "./expert-bank.ts";
import { writePreSummed } from "./pre-summed.ts";
import type { RemoteCall, RemoteExperts } from "./runtime.ts";
import { BUNDLED_MODEL, bundledPrompts } from "./testing/bundled-model.ts";
import { runGeneration } from "./testing/run-generation.ts";
import { SplitExperts } from "./testing/split-experts.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const text = bundledPrompts(native, 20).flat();

/** Functions that send Σ weight · row instead of rows. */
function summing(experts: SplitExperts): RemoteExperts {
  return {
    async compute(call) {
      const outputs = new Float32Array(call.outputs.length);
      await experts.compute({ ...call, outputs });
      writePreSummed(call, sumRows(call, outputs));
    },
  };
}

function sumRows({ inputs, outputs, weights, rows }: RemoteCall, computed: Float32Array): Float32Array {
  const hidden = outputs.length / weights.length;
  const sums = new Float32Array(inputs.length);
  for (let row = 0; row < rows.count; row++) {
    const [to, from] = [(rows.tokens[row] as number) * hidden, (rows.slots[row] as number) * hidden];
    const weight = weights[rows.slots[row] as number] as number;
    for (let i = 0; i < hidden; i++) sums[to + i] = (sums[to + i] as number) + weight * (computed[from + i] as number);
  }
  return sums;
}

/**
 * Rounding reaches the logits through what is rounded more coarsely: keys and values to 11 bits, and with quantised
 * weights hidden states to 8.
 */
const MODELS = [
  { name: "F32", file: writeTestModel({ path: join(folder, "f32.gguf"), quant: "F32" }), tolerance: 1e-3 },
  { name: "bundled, Q8_0", file: readGguf(BUNDLED_MODEL), tolerance: 0.25 },
];

describe.each(MODELS)("pre-summed rows ($name)", ({ file, tolerance }) => {
  const { layers, experts, vocabulary } = readTransformer(file).hyper;
  const every = (keep: (expert: number) => boolean): ExpertSelection =>
    allExperts(layers, experts).map((all) => all.filter(keep));

  it.each([
    ["every expert", 1],
    ["three of four experts", 4],
  ])("of %s give the exact generation within rounding", async (_, step) => {
    const isLocal = (expert: number): boolean => step > 1 && expert % step === 0;
    using exact = await Engine.load(native, file, { threads: 1, contextLength: 1024 });
    using split = await Engine.load(native, file, { threads: 1, contextLength: 1024, experts: every(isLocal) });
    using functions = await SplitExperts.load(native, file, [every((expert) => !isLocal(expert))]);
    for (const length of [1, 40, 64, 200, 600]) {
      const prompt = text.slice(0, length).map((token) => token % vocabulary);
      const expected = await runGeneration(exact, prompt);
      const actual = await runGeneration(split, prompt, { remote: summing(functions) });
      expect(actual.tokens).toEqual(expected.tokens);
      expect(largestDifference(actual.logits, expected.logits)).toBeLessThan(tolerance);
    }
  });
});

/** In logits; those of the trained model are some tens apart. */
function largestDifference(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  const differences = a.flatMap((step, i) =>
    Array.from(step, (value, j) => Math.abs(value - (b[i]?.[j] ?? Number.NaN))),
  );
  return differences.reduce((most, difference) => Math.max(most, difference), 0);
}
