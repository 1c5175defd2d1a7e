import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { devNull, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ErrorCode } from "../core/errors.ts";
import { alignUp } from "./alignment.ts";
import { stackedExperts } from "./experts.ts";
import { LIMITS } from "./limits.ts";
import { ARRAY_ID, elementTypeId } from "./metadata-value.ts";
import { readGguf } from "./read.ts";
import {
  arrayEntry,
  codeOf,
  entry,
  keyEntry,
  memorySource,
  parse,
  rawGguf,
  stringEntry,
  typeEntry,
} from "./test-support.ts";
import { GgmlType } from "./types.ts";

describe("the bundled model", () => {
  const path = fileURLToPath(new URL("../../models/tiny-moe/tiny-moe-q8_0.gguf", import.meta.url));
  const file = readGguf(path);

  it("tells its architecture and sizes", () => {
    const { metadata } = file;
    expect(file.version).toBe(3);
    expect(file.alignment).toBe(32);
    expect(metadata.string("general.architecture")).toBe("qwen3moe");
    expect(metadata.number("qwen3moe.block_count")).toBe(6);
    expect(metadata.number("qwen3moe.expert_count")).toBe(16);
    expect(metadata.number("qwen3moe.expert_used_count")).toBe(2);
    expect(metadata.number("qwen3moe.attention.layer_norm_rms_epsilon")).toBeCloseTo(1e-6, 10);
    expect(metadata.boolean("tokenizer.ggml.add_bos_token")).toBe(false);
  });

  it("gives its vocabulary when asked", () => {
    const tokens = file.metadata.stringArray("tokenizer.ggml.tokens");
    expect(tokens).toHaveLength(6144);
    expect(tokens[file.metadata.number("tokenizer.ggml.eos_token_id")]).toMatch(/^<\|.+\|>$/);
    expect(file.metadata.stringArray("tokenizer.ggml.merges")).toHaveLength(5885);
    expect(new Set(file.metadata.numberArray("tokenizer.ggml.token_type")).size).toBeGreaterThan(1);
  });

  it("has tensors that fill the file from the header to its end", () => {
    const tensors = [...file.tensors.values()];
    expect(tensors).toHaveLength(74);
    const dataStart = Math.min(...tensors.map((tensor) => tensor.offset));
    const dataBytes = tensors.reduce((sum, tensor) => sum + alignUp(tensor.bytes, file.alignment), 0);
    expect(dataStart + dataBytes).toBe(file.fileBytes);
  });

  it("has stacked experts", () => {
    const gate = file.tensors.get("blk.0.ffn_gate_exps.weight");
    expect(gate).toEqual({
      name: "blk.0.ffn_gate_exps.weight",
      source: file.parts[0],
      type: GgmlType.Q8_0,
      shape: [256, 256, 16],
      offset: 2_096_000,
      bytes: 1_114_112,
    });
    expect(gate && stackedExperts(gate).slab(15)).toEqual({
      source: file.parts[0],
      offset: 2_096_000 + 15 * 69_632,
      bytes: 69_632,
    });
  });
});

describe("a path that leads to no model file", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "gguf-"));
    symlinkSync("loop", join(folder, "loop"));
    writeFileSync(join(folder, "empty"), "");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ["a missing file", "missing.gguf", "MODEL_NOT_FOUND"],
    ["a path through a file", "empty/model.gguf", "MODEL_NOT_FOUND"],
    ["a folder", ".", "MODEL_UNREADABLE"],
    ["a link to itself", "loop", "MODEL_UNREADABLE"],
    ["a name with a zero byte", "a\0b", "MODEL_UNREADABLE"],
    ["an empty file", "empty", "MODEL_FILE_TRUNCATED"],
  ])("refuses %s", (_what, name, code) => {
    expect(codeOf(() => readGguf(`${folder}/${name}`))).toBe(code);
  });

  it("refuses a device", () => {
    expect(() => readGguf(devNull)).toThrow("it is not a regular file");
  });

  it("refuses a file that shrank after it was opened", () => {
    const path = join(folder, "shrinking.gguf");
    writeFileSync(path, rawGguf({ entries: [arrayEntry("scores", elementTypeId("float32"), 100)], dataBytes: 400 }));
    const { metadata } = readGguf(path);
    expect(metadata.numberArray("scores")).toHaveLength(100);
    writeFileSync(path, "");
    expect(codeOf(() => metadata.numberArray("scores"))).toBe("MODEL_FILE_TRUNCATED");
  });
});

const STRING = elementTypeId("string");
const u32 = (key: string, value: number) => entry(key, { type: "uint32", value });
const alignment = (value: number) => ({ entries: [u32("general.alignment", value)] });

describe("a hostile header", () => {
  const refusals: readonly [string, Parameters<typeof rawGguf>[0], ErrorCode, string][] = [
    ["another magic", { magic: 0x47475546 }, "MODEL_FILE_INVALID", "does not start with 'GGUF'"],
    ["big-endian", { version: 0x03000000 }, "MODEL_FILE_INVALID", "big-endian"],
    ["version 0", { version: 0 }, "MODEL_FILE_INVALID", "version 0"],
    ["version 1", { version: 1 }, "MODEL_FILE_INVALID", "version 1"],
    ["version 4", { version: 4 }, "MODEL_FILE_INVALID", "version 4"],

    ["too many keys", { keyCount: 4097 }, "MODEL_LIMIT_EXCEEDED", "metadataKeys is 4097, over the maximum of 4096"],
    ["keys beyond the end", { keyCount: 4000 }, "MODEL_FILE_TRUNCATED", "its header needs at least 56024"],
    ["a negative key count", { keyCount: 2 ** 64 - 2 ** 11 }, "MODEL_LIMIT_EXCEEDED", "metadataKeys"],
    ["a key too long", { entries: [u32("k".repeat(1025), 1)] }, "MODEL_LIMIT_EXCEEDED", "keyBytes is 1025"],
    ["an empty key", { entries: [u32("", 1)] }, "MODEL_FILE_INVALID", "at byte 24 that is empty"],
    ["a key of broken UTF-8", { entries: [keyEntry(0x61, 0xff)] }, "MODEL_FILE_INVALID", "not printable UTF-8"],
    ["a key that steers the terminal", { entries: [u32("\x1b[2J", 1)] }, "MODEL_FILE_INVALID", "not printable UTF-8"],
    ["a key twice", { entries: [u32("k", 1), u32("k", 2)] }, "MODEL_METADATA_INVALID", "'k' appears twice"],

    ["an unknown value type", { entries: [typeEntry("k", 13)], dataBytes: 64 }, "MODEL_METADATA_INVALID", "type 13"],
    ["an unknown element type", { entries: [arrayEntry("k", 13, 1)] }, "MODEL_METADATA_INVALID", "unknown type 13"],
    ["an array of arrays", { entries: [arrayEntry("k", ARRAY_ID, 1)] }, "MODEL_LIMIT_EXCEEDED", "arrayDepth is 2"],
    [
      "an array too long",
      { entries: [arrayEntry("k", 0, LIMITS.arrayElements + 1)] },
      "MODEL_LIMIT_EXCEEDED",
      "arrayElements",
    ],
    ["an array beyond the end", { entries: [arrayEntry("k", STRING, 1e6)] }, "MODEL_FILE_TRUNCATED", "header"],
    [
      "a string too long",
      { entries: [stringEntry("k", LIMITS.stringBytes + 1)] },
      "MODEL_LIMIT_EXCEEDED",
      "stringBytes",
    ],
    ["a string beyond the end", { entries: [stringEntry("k", 1e6)] }, "MODEL_FILE_TRUNCATED", "header"],

    ["alignment 0", alignment(0), "MODEL_METADATA_INVALID", "power of two of at least 8"],
    ["alignment 4", alignment(4), "MODEL_METADATA_INVALID", "power of two of at least 8"],
    ["alignment 48", alignment(48), "MODEL_METADATA_INVALID", "power of two of at least 8"],
    ["alignment 2^31", alignment(2 ** 31), "MODEL_LIMIT_EXCEEDED", "alignment is 2147483648"],
    [
      "an alignment of another type",
      { entries: [entry("general.alignment", { type: "uint64", value: 32n })] },
      "MODEL_METADATA_INVALID",
      "must be a uint32",
    ],

    ["too many tensors", { tensorCount: 65_537 }, "MODEL_LIMIT_EXCEEDED", "tensors is 65537"],
    ["tensors beyond the end", { tensorCount: 1000 }, "MODEL_FILE_TRUNCATED", "its header needs at least 33024"],
    [
      "a tensor name too long",
      { tensors: [{ name: "n".repeat(64) }] },
      "MODEL_LIMIT_EXCEEDED",
      "tensorNameBytes is 64",
    ],
    ["a tensor without a name", { tensors: [{ name: "" }], dataBytes: 32 }, "MODEL_FILE_INVALID", "empty"],
    ["a tensor twice", { tensors: [{}, { offset: 32 }], dataBytes: 64 }, "MODEL_TENSOR_INVALID", "'t' appears twice"],
    ["an unknown tensor type", { tensors: [{ type: 4 }], dataBytes: 32 }, "MODEL_TENSOR_INVALID", "unknown type 4"],
    ["five dimensions", { tensors: [{ shape: [1, 1, 1, 1, 1] }] }, "MODEL_LIMIT_EXCEEDED", "tensorDimensions is 5"],
    ["no dimensions", { tensors: [{ shape: [] }], dataBytes: 32 }, "MODEL_TENSOR_INVALID", "has the shape []"],
    ["a zero dimension", { tensors: [{ shape: [8, 0] }] }, "MODEL_TENSOR_INVALID", "has the shape [8,0]"],
    ["a negative dimension", { tensors: [{ shape: [2 ** 64 - 2 ** 11] }] }, "MODEL_TENSOR_INVALID", "too large"],
    ["an overflowing shape", { tensors: [{ shape: [2 ** 32, 2 ** 32] }] }, "MODEL_TENSOR_INVALID", "too large"],
    [
      "a row inside a block",
      { tensors: [{ shape: [33], type: GgmlType.Q8_0 }], dataBytes: 64 },
      "MODEL_TENSOR_INVALID",
      "rows of 33 elements, not a multiple of the q8_0 block of 32",
    ],
    ["a misaligned offset", { tensors: [{ offset: 8 }], dataBytes: 64 }, "MODEL_TENSOR_INVALID", "alignment of 32"],
    ["a tensor past the end", { tensors: [{ offset: 32 }], dataBytes: 63 }, "MODEL_FILE_TRUNCATED", "its tensor 't'"],
    ["an offset beyond every file", { tensors: [{ offset: 2 ** 63 }] }, "MODEL_FILE_TRUNCATED", "its tensor 't'"],
    [
      "overlapping tensors",
      {
        tensors: [
          { name: "late", offset: 32 },
          { name: "early", shape: [9] },
        ],
        dataBytes: 64,
      },
      "MODEL_TENSOR_INVALID",
      "tensor 'late' overlaps tensor 'early'",
    ],
  ];

  it.each(refusals)("is refused for %s", (_what, header, code, message) => {
    const refused = () => parse(memorySource(rawGguf(header)), "model.gguf");
    expect(codeOf(refused)).toBe(code);
    expect(refused).toThrow(message);
  });

  it("is refused wherever the file is cut", () => {
    const whole = rawGguf({
      entries: [u32("k", 1), entry("text", { type: "string", value: "hello" }), u32("general.alignment", 32)],
      tensors: [{ name: "a" }, { name: "b", offset: 32 }],
      dataBytes: 64,
    });
    expect(parse(memorySource(whole), "whole").tensors.size).toBe(2);
    for (let length = 0; length < whole.length; length++) {
      const cut = memorySource(whole.subarray(0, length));
      expect(codeOf(() => parse(cut, "cut"))).toBe("MODEL_FILE_TRUNCATED");
    }
  });

  it("costs nothing for numbers that it merely declares", () => {
    const array = arrayEntry("k", elementTypeId("uint64"), LIMITS.arrayElements);
    const source = memorySource(rawGguf({ entries: [array] }), 2 ** 40);
    expect(parse(source, "sparse").metadata.keys().next().value).toBe("k");
    expect(source.bytesRead).toBeLessThan(2 ** 20);
  });

  it("is given up at the header limit, however large the file claims to be", () => {
    // A key of 8 bytes puts the strings at a multiple of 8, where every 8 bytes of this source say: length 2^24.
    const header = rawGguf({ entries: [arrayEntry("endless!", STRING, LIMITS.arrayElements)] });
    let bytesRead = 0;
    const read = (offset: number, length: number) => {
      bytesRead += length;
      return Uint8Array.from({ length }, (_, index) => header[offset + index] ?? ((offset + index) % 8 === 3 ? 1 : 0));
    };
    expect(() => parse({ size: 2 ** 40, read }, "endless")).toThrow("headerBytes is");
    expect(bytesRead).toBeLessThan(LIMITS.headerBytes / 16);
  });
});

describe("a well-formed header", () => {
  it("may be of version 2", () => {
    expect(parse(memorySource(rawGguf({ version: 2 })), "v2").version).toBe(2);
  });

  it("may have tensors in any order, with gaps", () => {
    const tensors = [{ name: "second", offset: 96 }, { name: "first" }];
    const file = parse(memorySource(rawGguf({ tensors, dataBytes: 128 })), "gaps");
    expect([...file.tensors.values()].map(({ name, offset }) => [name, offset % 32])).toEqual([
      ["second", 0],
      ["first", 0],
    ]);
  });
});
