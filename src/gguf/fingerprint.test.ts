import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { modelFingerprint, tokenizerFingerprint } from "./fingerprint.ts";
import { readGguf } from "./read.ts";
import { GgmlType } from "./types.ts";
import { writeGguf } from "./write.ts";

const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);

const ROWS = 4096;

interface Variant {
  readonly architecture?: string;
  readonly base?: number;
  readonly tensor?: string;
}

/** One tensor of 1 MiB. */
function write(name: string, { architecture = "moe", base = 1e4, tensor = "weights" }: Variant = {}): string {
  const data = Float32Array.from({ length: 64 * ROWS }, (_, i) => i);
  writeGguf(path(name), {
    metadata: [
      ["general.architecture", { type: "string", value: architecture }],
      [`${architecture}.rope.freq_base`, { type: "float32", value: base }],
      [`${architecture}.parameters`, { type: "uint64", value: 1n << 40n }],
    ],
    tensors: [{ name: tensor, type: GgmlType.F32, shape: [64, ROWS], data: () => [new Uint8Array(data.buffer)] }],
  });
  return path(name);
}

const original = write("original.gguf");
const expected = await modelFingerprint(readGguf(original));

function withByteFlipped(at: (start: number, size: number) => number): string {
  const bytes = readFileSync(original);
  const { tensors, fileBytes } = readGguf(original);
  const offset = at(tensors.get("weights")?.offset ?? 0, fileBytes);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  writeFileSync(path("changed.gguf"), bytes);
  return path("changed.gguf");
}

describe("a model's fingerprint", () => {
  it("is a SHA-256 that a copy has too", async () => {
    expect(expected).toMatch(/^[0-9a-f]{64}$/);
    copyFileSync(original, path("copy.gguf"));
    expect(await modelFingerprint(readGguf(path("copy.gguf")))).toBe(expected);
  });

  it.each([
    ["its first byte of data", (start: number) => start],
    ["its last byte", (_start: number, size: number) => size - 1],
    ["a sampled page", (start: number, size: number) => start + Math.floor(((size - 4096 - start) * 5) / 17)],
  ])("changes with %s", async (_, at) => {
    expect(await modelFingerprint(readGguf(withByteFlipped(at)))).not.toBe(expected);
  });

  it.each<[string, Variant]>([
    ["architecture", { architecture: "other" }],
    ["numbers", { base: 1e6 }],
    ["tensors' names", { tensor: "weight5" }],
  ])("changes with its %s", async (_, variant) => {
    expect(await modelFingerprint(readGguf(write("variant.gguf", variant)))).not.toBe(expected);
  });

  it("is also had of a file smaller than a sample", async () => {
    const data = new Uint8Array(new Float32Array(8).buffer);
    const tensors = [{ name: "small", type: GgmlType.F32, shape: [8], data: () => [data] }];
    writeGguf(path("small.gguf"), { metadata: [["general.architecture", { type: "string", value: "moe" }]], tensors });
    expect(await modelFingerprint(readGguf(path("small.gguf")))).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("a vocabulary's fingerprint", () => {
  interface Words {
    readonly tokens?: readonly string[];
    readonly template?: string;
    readonly base?: number;
  }

  function fingerprint({ tokens = ["a", "b"], template = "t", base = 1 }: Words = {}): string {
    writeGguf(path("vocabulary.gguf"), {
      metadata: [
        ["general.architecture", { type: "string", value: "moe" }],
        ["moe.rope.freq_base", { type: "float32", value: base }],
        ["tokenizer.ggml.tokens", { type: "array", elementType: "string", value: tokens }],
        ["tokenizer.ggml.bos_token_id", { type: "uint64", value: 1n }],
        ["tokenizer.chat_template", { type: "string", value: template }],
      ],
      tensors: [],
    });
    return tokenizerFingerprint(readGguf(path("vocabulary.gguf")));
  }

  it("is a SHA-256 that changes with the tokens, and with nothing else", () => {
    expect(fingerprint()).toMatch(/^[0-9a-f]{64}$/);
    expect(fingerprint({ tokens: ["b", "a"] })).not.toBe(fingerprint());
    expect(fingerprint({ template: "another", base: 2 })).toBe(fingerprint());
  });
});
