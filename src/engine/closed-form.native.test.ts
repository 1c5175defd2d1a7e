import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { loadNative } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import type { SynthShape } from "../model/synth/shape.ts";
import type { Numerics } from "./create-passes.ts";
import { Engine } from "./engine.ts";
import { Float64Qwen3Moe } from "./testing/float64-qwen3moe.ts";
import { formulaErrors } from "./testing/formula-errors.ts";
import { runGeneration } from "./testing/run-generation.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
const BOTH: readonly Numerics[] = ["default", "exact"];

const load = (file: GgufFile, numerics: Numerics): Promise<Engine> =>
  Engine.load(native, file, { threads: 1, contextLength: 256, numerics });

/** A few hundred additions in single precision, each rounded by 6e-8. */
const SINGLE_TOLERANCE = 1e-5;
/**
 * Attention over several positions adds up values in half precision, each sum rounded by up to 5e-4; averaging and the
 * residual stream keep the logits within about twice that. A wrong formula is off by 1e-1 and more.
 */
const HALF_ATTENTION_TOLERANCE = 2e-3;

describe("the engine computes the formulas of Qwen3-MoE", () => {
  const shapes: readonly (readonly [string, Partial<SynthShape>])[] = [
    ["tiny", {}],
    ["one layer, one expert, one head", { layers: 1, experts: 1, expertsPerToken: 1, heads: 1, kvHeads: 1 }],
    ["odd sizes", { hidden: 36, heads: 6, kvHeads: 3, headWidth: 10, experts: 5, expertWidth: 7, expertsPerToken: 3 }],
    ["every expert for every token", { hidden: 48, experts: 3, expertsPerToken: 3, expertWidth: 24, layers: 3 }],
    ["one key head for all", { heads: 5, kvHeads: 1, headWidth: 12, expertWidth: 16 }],
  ];

  it.each(shapes)("%s", async (_, shape) => {
    const folder = temporaryFolder();
    for (const seed of [1, 2]) {
      const file = writeTestModel({ path: join(folder, `${seed}.gguf`), shape, seed });
      const formulas = new Float64Qwen3Moe(native, file);
      for (const numerics of BOTH) {
        using engine = await load(file, numerics);
        for (const length of [1, 9, 67]) {
          await expectFormulas(engine, formulas, randomPrompt(length, seed));
        }
      }
    }
  });
});

function randomPrompt(length: number, seed: number): number[] {
  const random = createRandom(seed);
  return Array.from({ length }, () => Math.floor(random() * 300));
}

async function expectFormulas(engine: Engine, formulas: Float64Qwen3Moe, prompt: readonly number[]): Promise<void> {
  for (const [step, error] of (await formulaErrors(engine, formulas, prompt)).entries()) {
    expect(error).toBeLessThan(prompt.length + step === 1 ? SINGLE_TOLERANCE : HALF_ATTENTION_TOLERANCE);
  }
}

/**
 * A model made by hand. Token t is the unit vector of dimension t, and attention gives zero. In layer 0, expert e puts
 * its factor · s · silu(s) into the dimension MARKER, where s = Σ of its input; layer 1 adds nothing. The output
 * matrix is the identity, so that logit[MARKER] / logit[t] is what the experts of layer 0 gave together.
 */
const HIDDEN = 16;
const MARKER = 15;
const EPSILON = 1e-6;
const factor = (expert: number): number => (expert + 1) / 1000;
/** Of a normalised unit vector: its one component. */
const S = 1 / Math.sqrt(1 / HIDDEN + EPSILON);
/** What an expert of factor 1 gives. */
const UNIT_OUTPUT = (S * S) / (1 + Math.exp(-S));

/** `gate`: how much layer 0 prefers an expert for a token, before normalisation. */
function writeHandMadeModel(experts: number, gate: (expert: number, token: number) => number): GgufFile {
  const shape = { hidden: HIDDEN, heads: 2, kvHeads: 1, headWidth: 8, expertWidth: HIDDEN, experts, layers: 2 };
  const path = join(temporaryFolder(), "hand-made.gguf");
  const weights = (name: string, [columns = 1, rows = 1, stack = 1]: readonly number[]): Float32Array | undefined => {
    const valueAt = name.startsWith("blk.1.ffn_") && !name.endsWith("norm") ? ZERO : handMade(name, gate);
    if (valueAt === undefined) return undefined;
    return Float32Array.from({ length: columns * rows * stack }, (_, i) =>
      valueAt(Math.floor(i / columns) % rows, i % columns, Math.floor(i / columns / rows)),
    );
  };
  return writeTestModel({ path, shape, weights });
}

type ValueAt = (row: number, column: number, expert: number) => number;

const ZERO: ValueAt = () => 0;
const ONE: ValueAt = () => 1;
const IDENTITY: ValueAt = (row, column) => Number(row === column);

/** Undefined for the matrices of queries, keys and values, which do not matter. */
function handMade(name: string, gate: (expert: number, token: number) => number): ValueAt | undefined {
  const byEnding: readonly (readonly [string, ValueAt])[] = [
    ["norm", ONE],
    ["token_embd", IDENTITY],
    ["attn_output", ZERO],
    ["output", IDENTITY],
    ["ffn_gate_inp", gate],
    ["ffn_gate_exps", (row) => Number(row === 0)],
    ["ffn_up_exps", (row, _, expert) => (row === 0 ? factor(expert) : 0)],
    ["ffn_down_exps", (row, column) => Number(row === MARKER && column === 0)],
  ];
  return byEnding.find(([ending]) => name.endsWith(ending))?.[1];
}

/** What the experts of layer 0 gave for the token that `logits` follow. */
function outputOf(logits: Float32Array | undefined, token: number): number {
  return (logits?.[MARKER] as number) / (logits?.[token] as number);
}

describe.each(BOTH)("a model made by hand, %s numerics", (numerics) => {
  const EXPERTS = 5;
  const PROMPT = [0, 1, 7, 7, 3];

  it("routes to the experts the gate prefers, and weighs them by the softmax of the two", async () => {
    const first = (token: number): number => token % EXPERTS;
    const second = (token: number): number => (token + 2) % EXPERTS;
    const file = writeHandMadeModel(EXPERTS, (expert, token) => {
      if (expert === first(token)) return 0.75;
      return expert === second(token) ? 0.5 : -1;
    });
    using engine = await load(file, numerics);
    for (let end = 1; end <= PROMPT.length; end++) {
      const prompt = PROMPT.slice(0, end);
      const token = prompt.at(-1) as number;
      const { tokens, logits, done } = await runGeneration(engine, prompt, { maxTokens: 2 });
      const weight = 1 / (1 + Math.exp((0.5 - 0.75) * S));
      const output = UNIT_OUTPUT * (weight * factor(first(token)) + (1 - weight) * factor(second(token)));
      expect(outputOf(logits[0], token) / output).toBeCloseTo(1, 5);
      expect(outputOf(logits[1], token) / output).toBeCloseTo(1, 5);
      // The token's own logit is the largest, so that the answer repeats it.
      expect(tokens).toEqual([token, token]);
      expect(done.activations.prefill[0]).toEqual(
        countsOf(
          prompt.flatMap((t) => [first(t), second(t)]),
          EXPERTS,
        ),
      );
      expect(done.activations.decode[0]).toEqual(countsOf([first(token), second(token)], EXPERTS));
    }
  });

  it("chooses among equal experts the same ones everywhere, and weighs them alike", async () => {
    const file = writeHandMadeModel(40, () => 0.5);
    using engine = await load(file, numerics);
    const { logits, done } = await runGeneration(engine, PROMPT, { maxTokens: 2 });
    const { prefill, decode } = done.activations;
    const chosen = [...Array(40).keys()].filter((expert) => decode[0]?.[expert] === 1);
    const output = (UNIT_OUTPUT * chosen.reduce((sum, expert) => sum + factor(expert), 0)) / 2;
    expect(chosen).toHaveLength(2);
    expect(prefill[0]).toEqual(
      countsOf(
        PROMPT.flatMap(() => chosen),
        40,
      ),
    );
    expect(outputOf(logits[0], 3) / output).toBeCloseTo(1, 5);
    expect(outputOf(logits[1], 3) / output).toBeCloseTo(1, 5);
  });
});

function countsOf(chosen: readonly number[], experts: number): number[] {
  return Array.from({ length: experts }, (_, expert) => chosen.filter((id) => id === expert).length);
}
