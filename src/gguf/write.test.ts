import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { MetadataValue } from "./metadata-value.ts";
import { readGguf } from "./read.ts";
import { codeOf } from "./test-support.ts";
import { GgmlType, TYPE_TRAITS, tensorBytes } from "./types.ts";
import { type GgufContent, type TensorSource, writeGguf } from "./write.ts";

let folder: string;
let path: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gguf-"));
  path = join(folder, "model.gguf");
});
beforeEach(() => rmSync(path, { force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const integer = (min: number, max: number) => fc.integer({ min, max });
const bigInteger = (min: bigint, max: bigint) => fc.bigInt({ min, max });
const text = fc.string({ unit: "binary", maxLength: 20 });

function single<Type extends string, Value>(type: Type, value: fc.Arbitrary<Value>) {
  return fc.record({ type: fc.constant(type), value });
}

function list<Type extends string, Value>(elementType: Type, value: fc.Arbitrary<Value>) {
  return fc.record({
    type: fc.constant("array" as const),
    elementType: fc.constant(elementType),
    value: fc.array(value, { maxLength: 8 }),
  });
}

const metadataValue: fc.Arbitrary<MetadataValue> = fc.oneof(
  single("uint8", integer(0, 2 ** 8 - 1)),
  single("int8", integer(-(2 ** 7), 2 ** 7 - 1)),
  single("uint16", integer(0, 2 ** 16 - 1)),
  single("int16", integer(-(2 ** 15), 2 ** 15 - 1)),
  single("uint32", integer(0, 2 ** 32 - 1)),
  single("int32", integer(-(2 ** 31), 2 ** 31 - 1)),
  single("float32", fc.float()),
  single("float64", fc.double()),
  single("uint64", bigInteger(0n, 2n ** 64n - 1n)),
  single("int64", bigInteger(-(2n ** 63n), 2n ** 63n - 1n)),
  single("bool", fc.boolean()),
  single("string", text),
  list("uint8", integer(0, 2 ** 8 - 1)),
  list("int32", integer(-(2 ** 31), 2 ** 31 - 1)),
  list("float32", fc.float()),
  list("uint64", bigInteger(0n, 2n ** 64n - 1n)),
  list("bool", fc.boolean()),
  list("string", text),
);

const key = fc.stringMatching(/^[a-z][a-z0-9_.]{0,30}$/);

const metadata = fc.uniqueArray(fc.tuple(key, metadataValue), { maxLength: 12, selector: ([name]) => name });

const tensorShape = fc
  .record({
    type: fc.constantFrom(...Object.values(GgmlType)),
    blocks: integer(1, 2),
    outer: fc.array(integer(1, 3), { maxLength: 3 }),
  })
  .map(({ type, blocks, outer }) => ({ type, shape: [blocks * TYPE_TRAITS[type].blockElements, ...outer] }));

const tensors = fc.uniqueArray(fc.record({ name: key, body: tensorShape, fill: integer(0, 255) }), {
  maxLength: 6,
  selector: ({ name }) => name,
});

/** Yields the bytes in chunks of uneven sizes. */
function* chunked(bytes: Uint8Array): Iterable<Uint8Array> {
  for (let start = 0, length = 1; start < bytes.length; start += length, length += 13) {
    yield bytes.subarray(start, Math.min(start + length, bytes.length));
  }
}

describe("a written file", () => {
  it("reads back as it was given", () => {
    const alignment = fc.constantFrom(8, 32, 64, 4096);
    fc.assert(
      fc.property(metadata, tensors, alignment, (entries, given, bytes) => {
        const withAlignment = [...entries, ["general.alignment", { type: "uint32", value: bytes }]] as const;
        const sources = given.map(({ name, body, fill }) => {
          const data = new Uint8Array(tensorBytes(body.type, body.shape)).fill(fill);
          return { name, ...body, content: data, data: () => chunked(data) };
        });
        const fileBytes = writeGguf(path, { metadata: withAlignment, tensors: sources });

        const file = readGguf(path);
        expect(file.version).toBe(3);
        expect(file.alignment).toBe(bytes);
        expect([...file.metadata.keys()].map((name) => [name, file.metadata.value(name)])).toEqual(withAlignment);
        const written = readFileSync(path);
        expect(fileBytes).toBe(written.length);
        const read = [...file.tensors.values()].map((tensor) => ({
          name: tensor.name,
          type: tensor.type,
          shape: tensor.shape,
          content: new Uint8Array(written.subarray(tensor.offset, tensor.offset + tensor.bytes)),
        }));
        expect(read).toEqual(sources.map(({ name, type, shape, content }) => ({ name, type, shape, content })));
        for (const tensor of file.tensors.values()) expect(tensor.offset % bytes).toBe(0);
      }),
      { seed: 20_240_601, numRuns: 150 },
    );
  });

  it("never has more than one chunk of data in memory", () => {
    const chunk = new Uint8Array(1024);
    let taken = 0;
    let finished = 0;
    function* chunks(): Iterable<Uint8Array> {
      for (let index = 0; index < 64; index++) {
        expect(taken).toBe(finished);
        taken++;
        yield chunk;
        finished++;
      }
    }
    writeGguf(path, { metadata: [], tensors: [{ name: "t", type: GgmlType.F32, shape: [256, 64], data: chunks }] });
    expect(finished).toBe(64);
  });

  it("may hold a vocabulary of 150,000 tokens", () => {
    const tokens = Array.from({ length: 150_000 }, (_, index) => `token ${index} é`);
    const value = { type: "array", elementType: "string", value: tokens } as const;
    writeGguf(path, { metadata: [["tokens", value]], tensors: [] });
    expect(readGguf(path).metadata.stringArray("tokens")).toEqual(tokens);
  });
});

const tensor = (change: Partial<TensorSource> = {}): TensorSource => ({
  name: "t",
  type: GgmlType.F32,
  shape: [8],
  data: () => [new Uint8Array(32)],
  ...change,
});

describe("what the reader would refuse", () => {
  const unsigned = (value: number): GgufContent => ({ metadata: [["k", { type: "uint32", value }]], tensors: [] });
  const refusals: readonly [string, GgufContent, string][] = [
    ["a number too large for its type", unsigned(2 ** 32), "metadata key 'k' holds a value that is no uint32"],
    ["a negative unsigned number", unsigned(-1), "no uint32"],
    ["a fraction as an integer", unsigned(1.5), "no uint32"],
    [
      "one element too large for an array",
      { metadata: [["k", { type: "array", elementType: "int8", value: [1, 128] }]], tensors: [] },
      "no int8",
    ],
    [
      "a key twice",
      {
        metadata: [
          ["k", { type: "bool", value: true }],
          ["k", { type: "bool", value: true }],
        ],
        tensors: [],
      },
      "'k' appears twice",
    ],
    ["a name too long", { metadata: [], tensors: [tensor({ name: "n".repeat(64) })] }, "tensorNameBytes is 64"],
    ["a fractional dimension", { metadata: [], tensors: [tensor({ shape: [1.5] })] }, "has the shape [1.5]"],
    ["a row inside a block", { metadata: [], tensors: [tensor({ type: GgmlType.Q8_0 })] }, "rows of 8 elements"],
    ["too little data", { metadata: [], tensors: [tensor({ shape: [9] })] }, "needs 36 bytes of data and was given 32"],
    ["too much data", { metadata: [], tensors: [tensor({ shape: [7] })] }, "needs 28 bytes of data and was given more"],
  ];

  it.each(refusals)("is not written: %s", (_what, content, message) => {
    expect(() => writeGguf(path, content)).toThrow(message);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("a failed write", () => {
  it("leaves the file that was there, and nothing else", () => {
    writeFileSync(path, "before");
    function* failing(): Iterable<Uint8Array> {
      yield new Uint8Array(16);
      throw new Error("out of weights");
    }
    expect(() => writeGguf(path, { metadata: [], tensors: [tensor({ data: failing })] })).toThrow("out of weights");
    expect(readFileSync(path, "utf8")).toBe("before");
    expect(readdirSync(folder)).toEqual(["model.gguf"]);
  });

  it.each([
    ["a missing folder", "missing/model.gguf"],
    ["a folder's own name", "."],
  ])("says why for %s", (_what, name) => {
    const write = () => writeGguf(`${folder}/${name}`, { metadata: [], tensors: [] });
    expect(codeOf(write)).toBe("MODEL_UNWRITABLE");
    expect(readdirSync(folder)).toEqual([]);
  });
});
