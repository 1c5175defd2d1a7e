import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { loadNative } from "../ggml/library.ts";
import { LlamaReference } from "../ggml/llama-reference.ts";
import { residentShare } from "../ggml/page-cache.ts";
import { readFileBytes } from "../gguf/byte-source.ts";
import type { MetadataValue } from "../gguf/metadata-value.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import { type GgufContent, type TensorSource, writeGguf } from "../gguf/write.ts";
import { writeGgufParts } from "../gguf/write-parts.ts";
import { gateMatrices } from "../model/gate-matrices.ts";
import { TokenEmbeddings } from "../model/token-embeddings.ts";
import { Engine } from "./engine.ts";
import { allExperts, type ExpertSelection } from "./expert-bank.ts";
import { mainFootprint } from "./footprint.ts";
import { bitsOf, runGeneration } from "./testing/run-generation.ts";
import { SplitExperts } from "./testing/split-experts.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

vi.mock(import("../ggml/page-cache.ts"), { spy: true });

const native = loadNative();
const PROMPT = Array.from({ length: 40 }, (_, i) => (i * 37) % 250);
const LAYERS = 2;
const EXPERTS = 8;

/** What a model file holds, to be written in another form. */
function contentOf(file: GgufFile): GgufContent {
  const metadata = Array.from(file.metadata.keys(), (key) => [key, file.metadata.value(key) as MetadataValue] as const);
  const tensors = Array.from(file.tensors.values(), ({ name, type, shape, source, offset, bytes }) => {
    return { name, type, shape, data: () => [readFileBytes(source.path, offset, bytes)] };
  });
  return { metadata, tensors };
}

/** Every expert in a tensor of its own, as files of the first Mixtral have them. */
function withSeparateExperts({ metadata, tensors }: GgufContent): GgufContent {
  const separate = ({ name, type, shape, data }: TensorSource): TensorSource[] => {
    const [, stem] = /^(.+)_exps\.weight$/.exec(name) ?? [];
    if (stem === undefined) return [{ name, type, shape, data }];
    const [bytes] = data() as [Uint8Array];
    const each = bytes.length / EXPERTS;
    return Array.from({ length: EXPERTS }, (_, expert) => ({
      name: `${stem}.${expert}.weight`,
      type,
      shape: shape.slice(0, 2),
      data: () => [bytes.subarray(expert * each, (expert + 1) * each)],
    }));
  };
  return { metadata, tensors: tensors.flatMap(separate) };
}

interface Forms {
  readonly whole: GgufFile;
  readonly split: GgufFile;
  readonly separate: GgufFile;
  /** Experts on their own, the files cut between those of one layer. */
  readonly both: GgufFile;
}

/** The same model in every form that files have. */
function writeForms(quant: "F16" | "Q4_0"): Forms {
  const folder = temporaryFolder();
  const whole = writeTestModel({
    path: join(folder, "whole.gguf"),
    quant,
    shape: { experts: EXPERTS, layers: LAYERS },
  });
  const content = contentOf(whole);
  const separate = withSeparateExperts(content);
  writeGguf(join(folder, "separate.gguf"), separate);
  const [split] = writeGgufParts(join(folder, "split"), content, { maxTensors: 5 }) as [string];
  const [both] = writeGgufParts(join(folder, "both"), separate, { maxBytes: whole.fileBytes / 7 }) as [string];
  return { whole, split: readGguf(split), separate: readGguf(join(folder, "separate.gguf")), both: readGguf(both) };
}

/** A generation with some experts in another function, as a digest of everything that was computed. */
async function generate(file: GgufFile): Promise<{ readonly tokens: readonly number[]; readonly logits: string }> {
  const local: ExpertSelection = allExperts(LAYERS, EXPERTS).map((layer) => layer.filter((expert) => expert % 3 !== 0));
  const remote = allExperts(LAYERS, EXPERTS).map((layer) => layer.filter((expert) => expert % 3 === 0));
  using engine = await Engine.load(native, file, { threads: 1, contextLength: 128, experts: local });
  using others = await SplitExperts.load(native, file, [remote]);
  const { tokens, logits } = await runGeneration(engine, PROMPT, { maxTokens: 12, remote: others });
  return { tokens, logits: bitsOf(logits) };
}

describe.each(["F16", "Q4_0"] as const)("a model in %s, split, with separate experts, or both", (quant) => {
  it.each([
    ["cached by the kernel", 1],
    ["not in the page cache", 0],
  ])("computes the same bits as whole: files %s", async (_, share) => {
    vi.mocked(residentShare).mockReturnValue(share);
    const { whole, ...others } = writeForms(quant);
    const expected = await generate(whole);
    for (const file of Object.values(others)) expect(await generate(file)).toEqual(expected);
  });

  it("takes the same memory", () => {
    const { whole, ...others } = writeForms(quant);
    const options = { threads: 1, contextLength: 128 };
    for (const file of Object.values(others)) {
      expect(mainFootprint(file, options)).toEqual(mainFootprint(whole, options));
    }
  });

  it("has the same embeddings and gates", async () => {
    const { whole, ...others } = writeForms(quant);
    using expected = new TokenEmbeddings(native, whole);
    for (const file of Object.values(others)) {
      using embeddings = new TokenEmbeddings(native, file);
      expect((await embeddings.of([77]))(77)).toEqual((await expected.of([77]))(77));
      expect(await gateMatrices(native, file)).toEqual(await gateMatrices(native, whole));
    }
  });
});

it("libllama reads the parts as the engine does", async () => {
  const { split } = writeForms("F16");
  using reference = new LlamaReference(native, split.path, { contextLength: 128, threads: 1, batch: 64 });
  using engine = await Engine.load(native, split, { threads: 1, contextLength: 128, numerics: "exact" });
  const { logits } = await runGeneration(engine, PROMPT, { maxTokens: 1 });
  expect(bitsOf(logits)).toBe(bitsOf([reference.decode(PROMPT, 0)]));
});
