import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { modelFingerprint } from "./fingerprint.ts";
import type { MetadataValue } from "./metadata-value.ts";
import { type GgufFile, readGguf } from "./read.ts";
import { partPath, SPLIT_KEYS } from "./split-format.ts";
import { codeOf } from "./test-support.ts";
import { GgmlType, tensorBytes } from "./types.ts";
import { type GgufContent, type TensorSource, writeGguf } from "./write.ts";
import { type PartLimits, writeGgufParts } from "./write-parts.ts";

let folder: string;
let prefix: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gguf-"));
  prefix = join(folder, "model");
});
afterEach(() => rmSync(folder, { recursive: true }));

function filled(name: string, blocks: number, fill: number): TensorSource {
  const shape = [32, blocks];
  return {
    name,
    type: GgmlType.Q8_0,
    shape,
    data: () => [new Uint8Array(tensorBytes(GgmlType.Q8_0, shape)).fill(fill)],
  };
}

const METADATA: GgufContent["metadata"] = [
  ["general.architecture", { type: "string", value: "moe" }],
  ["general.alignment", { type: "uint32", value: 64 }],
  ["tokenizer.ggml.tokens", { type: "array", elementType: "string", value: ["a", "b"] }],
];

/** Everything a reader of the model sees, but for where it lies. */
function contentOf(file: GgufFile): unknown {
  const split: readonly string[] = Object.values(SPLIT_KEYS);
  const keys = [...file.metadata.keys()].filter((key) => !split.includes(key));
  return {
    metadata: keys.map((key) => [key, file.metadata.value(key)]),
    tensors: [...file.tensors.values()].map(({ name, source, type, shape, offset, bytes }) => {
      const data = readFileSync(source.path).subarray(offset, offset + bytes);
      return { name, type, shape, data: data.toString("hex") };
    }),
  };
}

describe("a split model", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 9 });
  const limits: fc.Arbitrary<PartLimits> = fc.oneof(
    fc.record({ maxTensors: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ maxBytes: fc.integer({ min: 1, max: 3000 }) }),
  );

  it("is the model it was cut from, by the name of any part", () => {
    fc.assert(
      fc.property(sizes, limits, fc.nat(8), (blocks, limit, pick) => {
        const tensors = blocks.map((count, i) => filled(`t${i}`, count, i + 1));
        const path = `${prefix}.gguf`;
        writeGguf(path, { metadata: METADATA, tensors });
        const parts = writeGgufParts(prefix, { metadata: METADATA, tensors }, limit);
        const split = readGguf(parts[pick % parts.length] as string);
        expect(contentOf(split)).toEqual(contentOf(readGguf(path)));
        expect(split.path).toBe(parts[0]);
        expect(split.parts).toMatchObject(parts.map((part) => ({ path: part, size: readFileSync(part).length })));
        expect(split.fileBytes).toBe(split.parts.reduce((sum, { size }) => sum + size, 0));
      }),
      { seed: 20_240_602, numRuns: 60 },
    );
  });

  it("has parts within the limits, or of a single tensor", () => {
    const tensors = [1, 1, 1, 9, 1].map((blocks, i) => filled(`t${i}`, blocks, i));
    const namesIn = (parts: readonly string[]): string[][] =>
      parts.map((part) => {
        const { tensors: all } = readGguf(part);
        return [...all.values()].filter(({ source }) => source.path === part).map(({ name }) => name);
      });
    const byTensors = writeGgufParts(prefix, { metadata: [], tensors }, { maxTensors: 2 });
    expect(namesIn(byTensors)).toEqual([["t0", "t1"], ["t2", "t3"], ["t4"]]);
    const byBytes = writeGgufParts(prefix, { metadata: [], tensors }, { maxBytes: 2 * 34 });
    expect(namesIn(byBytes)).toEqual([["t0", "t1"], ["t2"], ["t3"], ["t4"]]);
  });

  it("may be of one part, under any name", () => {
    const [part] = writeGgufParts(prefix, { metadata: [], tensors: [filled("t", 1, 7)] }, {}) as [string];
    expect(part).toBe(`${prefix}-00001-of-00001.gguf`);
    renameSync(part, `${prefix}.gguf`);
    expect(readGguf(`${prefix}.gguf`).tensors.size).toBe(1);
  });

  it("has a fingerprint that every part has a share in", async () => {
    const write = (fills: readonly number[]): Promise<string> => {
      const tensors = fills.map((fill, i) => filled(`t${i}`, 1000, fill));
      const [part] = writeGgufParts(prefix, { metadata: METADATA, tensors }, { maxTensors: 1 }) as [string];
      return modelFingerprint(readGguf(part));
    };
    const fingerprints: string[] = [];
    for (const fills of [
      [1, 2, 3],
      [9, 2, 3],
      [1, 9, 3],
      [1, 2, 9],
    ])
      fingerprints.push(await write(fills));
    expect(new Set(fingerprints).size).toBe(4);
    expect(await write([1, 2, 3])).toBe(fingerprints[0]);
  });
});

describe("parts that do not belong together are refused", () => {
  interface Part {
    readonly index: number;
    readonly count: number;
    readonly total?: number;
    readonly names: readonly string[];
  }

  /** A part under the name of its place among three, whatever it says itself. */
  function writePart(place: number, { index, count, total = 3, names }: Part): string {
    const path = partPath(prefix, place, 3);
    const number = (value: number): MetadataValue => ({ type: "int32", value });
    writeGguf(path, {
      metadata: [
        [SPLIT_KEYS.index, number(index)],
        [SPLIT_KEYS.count, number(count)],
        [SPLIT_KEYS.tensors, number(total)],
      ],
      tensors: names.map((name) => filled(name, 1, index)),
    });
    return path;
  }

  const good = (place: number): Part => ({ index: place, count: 3, names: [`t${place}`] });

  /** Writes three parts, all good but those given, and reads the first. */
  function readWith(changes: Readonly<Record<number, Part>>): () => GgufFile {
    const [first] = [0, 1, 2].map((place) => writePart(place, changes[place] ?? good(place))) as [string];
    return () => readGguf(first);
  }

  it.each([0, 1, 2])("when part %d is read and another is missing", (place) => {
    readWith({});
    const missing = partPath(prefix, (place + 1) % 3, 3);
    rmSync(missing);
    const read = () => readGguf(partPath(prefix, place, 3));
    expect(codeOf(read)).toBe("MODEL_PART_INVALID");
    expect(read).toThrow(`'${missing}', part ${((place + 1) % 3) + 1} of 3 of a split model, is missing`);
  });

  it.each<[string, Readonly<Record<number, Part>>, string]>([
    [
      "a part says that it is another",
      { 1: { ...good(2) } },
      "part 2 of 3 of a split model, says that it is part 3 of 3",
    ],
    [
      "a part is of another split",
      { 2: { ...good(2), count: 4 } },
      "part 3 of 3 of a split model, says that it is part 3 of 4",
    ],
    [
      "there are fewer tensors than declared",
      { 0: { ...good(0), total: 5 } },
      "says that all parts have 5 tensors, they have 3",
    ],
    [
      "there are more tensors than declared",
      { 0: { ...good(0), total: 2 } },
      "says that all parts have 2 tensors, they have 3",
    ],
  ])("when %s", (_what, changes, message) => {
    const read = readWith(changes);
    expect(codeOf(read)).toBe("MODEL_PART_INVALID");
    expect(read).toThrow(message);
  });

  it("when a tensor is in two of them", () => {
    const read = readWith({ 2: { ...good(2), names: ["t1"] } });
    expect(codeOf(read)).toBe("MODEL_TENSOR_INVALID");
    expect(read).toThrow(`tensor 't1' is in '${partPath(prefix, 1, 3)}' too`);
  });

  it("when a part was renamed, as the others are then not to be found", () => {
    readWith({});
    renameSync(partPath(prefix, 0, 3), `${prefix}.gguf`);
    expect(() => readGguf(`${prefix}.gguf`)).toThrow("is not named '<name>-00001-of-00003.gguf'");
  });

  it("when there would be absurdly many", () => {
    expect(() => readGguf(writePart(0, { ...good(0), count: 2 ** 31 - 1 }))).toThrow("parts is 2147483647");
  });

  it("when one does not say which it is", () => {
    readWith({});
    writeGguf(partPath(prefix, 1, 3), { metadata: [], tensors: [filled("t1", 1, 1)] });
    const read = () => readGguf(partPath(prefix, 0, 3));
    expect(codeOf(read)).toBe("MODEL_METADATA_INVALID");
  });
});
