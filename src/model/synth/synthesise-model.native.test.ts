import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadNative } from "../../ggml/library.ts";
import { LlamaReference } from "../../ggml/llama-reference.ts";
import { Vocabulary } from "../../ggml/vocabulary.ts";
import { stackedExperts } from "../../gguf/experts.ts";
import { readGguf } from "../../gguf/read.ts";
import { GgmlType } from "../../gguf/types.ts";
import { SYNTH_QUANTS, type SynthQuantName } from "./quants.ts";
import { SYNTH_SHAPES } from "./shapes.ts";
import { synthesiseModel } from "./synthesise-model.ts";

const { tiny } = SYNTH_SHAPES;
/** Types whose blocks fit tiny's short rows. */
const FITTING: readonly SynthQuantName[] = ["F32", "F16", "Q8_0", "Q4_0"];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "synth-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function synthTiny(name: string, options: { quant?: SynthQuantName; seed?: number; layers?: number } = {}) {
  const path = join(folder, `${name}.gguf`);
  const bytes = synthesiseModel({ shape: "tiny", quant: "Q8_0", seed: 1, path, ...options });
  return { path, bytes, hash: createHash("sha256").update(readFileSync(path)).digest("hex") };
}

describe("synthesiseModel", () => {
  it("makes the same file of the same seed, and another of another", () => {
    const { hash } = synthTiny("first");
    expect(synthTiny("again").hash).toBe(hash);
    expect(synthTiny("other", { seed: 2 }).hash).not.toBe(hash);
  });

  it.each(FITTING)("writes a file of %s that has the shape's numbers and tensors", (quant) => {
    const { path, bytes } = synthTiny(quant, { quant });
    const { metadata, tensors } = readGguf(path);
    expect(metadata.string("general.architecture")).toBe("qwen3moe");
    expect(metadata.number("qwen3moe.block_count")).toBe(tiny.layers);
    expect(metadata.number("qwen3moe.embedding_length")).toBe(tiny.hidden);
    expect(metadata.number("qwen3moe.expert_used_count")).toBe(tiny.expertsPerToken);
    expect(metadata.number("qwen3moe.rope.freq_base")).toBe(tiny.ropeBase);
    expect(tensors.get("token_embd.weight")?.shape).toEqual([tiny.hidden, tiny.vocabulary]);
    expect(tensors.get("blk.1.ffn_gate_exps.weight")).toMatchObject({
      type: SYNTH_QUANTS[quant].weights,
      shape: [tiny.hidden, tiny.expertWidth, tiny.experts],
    });
    expect(bytes).toBe(statSync(path).size);
  });

  it("writes as many layers as asked for", () => {
    const file = readGguf(synthTiny("deep", { layers: 3 }).path);
    expect(file.metadata.number("qwen3moe.block_count")).toBe(3);
    expect(file.tensors.has("blk.2.ffn_gate_exps.weight")).toBe(true);
    expect(file.tensors.has("blk.3.ffn_gate_exps.weight")).toBe(false);
  });

  it("keeps norms and gates in F32 whatever the quant", () => {
    const file = readGguf(synthTiny("types", { quant: "Q4_0" }).path);
    for (const { name, type } of file.tensors.values()) {
      expect(type === GgmlType.F32, name).toBe(/norm|gate_inp/.test(name));
    }
  });

  it("gives every expert weights of its own", () => {
    const { path } = synthTiny("experts");
    const content = readFileSync(path);
    const stacks = [...readGguf(path).tensors.values()].filter(({ name }) => name.includes("_exps."));
    const slabs = stacks.flatMap((tensor) =>
      Array.from({ length: tiny.experts }, (_, expert) => stackedExperts(tensor).slab(expert)),
    );
    const contents = slabs.map(({ offset, bytes }) => content.toString("base64", offset, offset + bytes));
    expect(stacks).toHaveLength(3 * tiny.layers);
    expect(new Set(contents).size).toBe(contents.length);
  });

  it("refuses a quant whose blocks do not fit the rows, and writes nothing", () => {
    expect(() => synthTiny("unfit", { quant: "Q4_K" })).toThrow("rows of 64 elements");
    expect(() => statSync(join(folder, "unfit.gguf"))).toThrow("ENOENT");
  });
});

describe("a synthesised model", () => {
  it("has a vocabulary that encodes any text and gives it back", () => {
    using vocabulary = new Vocabulary(loadNative(), synthTiny("vocabulary").path);
    const text = "hello world, the expert\n¡Größe! 模型 🙂";
    const tokens = vocabulary.encode(text, { addSpecial: true, parseSpecial: false });
    const bytes = Buffer.concat(tokens.map((token) => vocabulary.piece(token)));
    expect(bytes.toString()).toBe(text);
    expect(tokens.length).toBeLessThan(Buffer.byteLength(text));
    expect(vocabulary.size).toBe(tiny.vocabulary);
  });

  it("reads ChatML's marks as single tokens that end the answer", () => {
    using vocabulary = new Vocabulary(loadNative(), synthTiny("marks").path);
    const [mark, ...rest] = vocabulary.encode("<|im_end|>", { addSpecial: true, parseSpecial: true });
    expect(rest).toEqual([]);
    expect(vocabulary.endOfGeneration).toContain(mark);
  });

  it("reads every token but the special ones as it writes it", () => {
    using vocabulary = new Vocabulary(loadNative(), synthTiny("filler").path);
    const special = new Set(
      vocabulary.encode("<|im_start|><|im_end|><|endoftext|>", { addSpecial: false, parseSpecial: true }),
    );
    const beyondBytes = Array.from({ length: tiny.vocabulary - 256 }, (_, index) => 256 + index);
    const words = beyondBytes.filter((token) => !special.has(token));
    for (const word of words) {
      const text = Buffer.from(vocabulary.piece(word)).toString();
      expect(vocabulary.encode(text, { addSpecial: false, parseSpecial: false }), text).toEqual([word]);
    }
    expect(words).toHaveLength(tiny.vocabulary - 256 - 3);
  });

  it("computes finite logits that depend on the prompt", () => {
    const { path } = synthTiny("logits");
    using reference = new LlamaReference(loadNative(), path, { contextLength: 64, batch: 16, threads: 1 });
    const first = reference.decode([1, 2, 3], 0).slice();
    reference.clear();
    const second = reference.decode([3, 2, 1], 0).slice();
    expect(first.every(Number.isFinite)).toBe(true);
    expect(new Set(first).size).toBeGreaterThan(tiny.vocabulary / 2);
    expect(second).not.toEqual(first);
  });
});
