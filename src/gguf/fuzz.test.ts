import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRemoeError, remoeError } from "../core/errors.ts";
import { diskSource } from "./model-source.ts";
import { type OpenedFile, readGguf } from "./read.ts";
import { memorySource } from "./test-support.ts";
import { GgmlType } from "./types.ts";
import { type GgufContent, writeGguf } from "./write.ts";
import { writeGgufParts } from "./write-parts.ts";

/** The files of one model by path, the one to read first. */
type ModelFiles = ReadonlyMap<string, Uint8Array>;

/** The files that `write` leaves in a folder, in the order of their names. */
function filesOf(write: (folder: string) => void): ModelFiles {
  const folder = mkdtempSync(join(tmpdir(), "gguf-"));
  write(folder);
  const names = readdirSync(folder).sort();
  const files = new Map(names.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
  rmSync(folder, { recursive: true });
  return files;
}

/** A model with entries of every shape, a vocabulary and two tensors. */
function wholeModel(tokens: number): ModelFiles {
  return filesOf((folder) => writeGguf(join(folder, "model.gguf"), modelOf(tokens)));
}

/** The same with a tensor in each of two files. */
function splitModel(tokens: number): ModelFiles {
  return filesOf((folder) => writeGgufParts(join(folder, "model"), modelOf(tokens), { maxTensors: 1 }));
}

function modelOf(tokens: number): GgufContent {
  const vocabulary = Array.from({ length: tokens }, (_, index) => `token${index}`);
  return {
    metadata: [
      ["general.architecture", { type: "string", value: "qwen3moe" }],
      ["general.alignment", { type: "uint32", value: 32 }],
      ["qwen3moe.expert_count", { type: "uint64", value: 16n }],
      ["qwen3moe.rope.freq_base", { type: "float32", value: 10_000 }],
      ["tokenizer.ggml.add_bos_token", { type: "bool", value: false }],
      ["tokenizer.ggml.tokens", { type: "array", elementType: "string", value: vocabulary }],
      ["tokenizer.ggml.scores", { type: "array", elementType: "float32", value: vocabulary.map(() => 0) }],
      ["tokenizer.chat_template", { type: "string", value: "{{ messages }}" }],
    ],
    tensors: [
      { name: "output_norm.weight", type: GgmlType.F32, shape: [8], data: () => [new Uint8Array(32)] },
      { name: "blk.0.ffn_gate_exps.weight", type: GgmlType.Q8_0, shape: [32, 2, 4], data: () => [new Uint8Array(272)] },
    ],
  };
}

type Mutation = (bytes: Uint8Array) => Uint8Array;

/** A place as a fraction of the file, so that it stays inside whatever earlier mutations left. */
const place = fc.nat(2 ** 24 - 1).map((steps) => steps / 2 ** 24);

const at = (bytes: Uint8Array, fraction: number) => Math.floor(bytes.length * fraction);

const bitFlip = fc.tuple(place, fc.nat(7)).map(
  ([fraction, bit]): Mutation =>
    (bytes) => {
      const index = at(bytes, fraction);
      const flipped = bytes.slice(index, index + 1).map((byte) => byte ^ (1 << bit));
      return overwrite(bytes, index, flipped);
    },
);

const truncation = place.map(
  (fraction): Mutation =>
    (bytes) =>
      bytes.slice(0, at(bytes, fraction)),
);

const extremes = [0n, 1n, 13n, 2n ** 16n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

const extremeInteger = fc.tuple(place, fc.constantFrom(...extremes), fc.constantFrom(4, 8)).map(
  ([fraction, value, width]): Mutation =>
    (bytes) => {
      const encoded = new Uint8Array(8);
      new DataView(encoded.buffer).setBigUint64(0, value, true);
      return overwrite(bytes, at(bytes, fraction), encoded.subarray(0, width));
    },
);

const noise = fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 24 })).map(
  ([fraction, random]): Mutation =>
    (bytes) =>
      overwrite(bytes, at(bytes, fraction), random),
);

const insertion = fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 24 })).map(
  ([fraction, random]): Mutation =>
    (bytes) => {
      const index = at(bytes, fraction);
      return Uint8Array.from([...bytes.subarray(0, index), ...random, ...bytes.subarray(index)]);
    },
);

const mutations = fc.array(fc.oneof(bitFlip, truncation, extremeInteger, noise, insertion), {
  minLength: 1,
  maxLength: 3,
});

function overwrite(bytes: Uint8Array, index: number, patch: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy.set(patch.subarray(0, bytes.length - index), index);
  return copy;
}

/** Reads and decodes everything; true when the model was taken, false when it was refused properly. */
function survives(files: ModelFiles): boolean {
  const sources = new Map(Array.from(files, ([path, bytes]) => [path, memorySource(bytes)]));
  const open = (path: string): OpenedFile => {
    const header = sources.get(path);
    if (header === undefined) throw remoeError("MODEL_NOT_FOUND", { path });
    return { header, source: diskSource(path, header.size) };
  };
  let arrays = 0;
  try {
    const { metadata } = readGguf([...files.keys()][0] as string, open);
    for (const key of metadata.keys()) {
      if (metadata.value(key)?.type === "array") arrays++;
    }
    return true;
  } catch (error) {
    if (!isRemoeError(error)) throw error;
    return false;
  } finally {
    // Each byte once for the header and once for each array, and a string again where it crosses a window.
    for (const { size, bytesRead } of sources.values()) {
      expect(bytesRead).toBeLessThanOrEqual(2 * size * (1 + arrays));
    }
  }
}

interface Outcome {
  readonly taken: number;
  readonly refused: number;
}

/** Damages one of the files, any of them, again and again. */
function fuzz(original: ModelFiles, numRuns: number): Outcome {
  const outcome = { taken: 0, refused: 0 };
  const paths = [...original.keys()];
  fc.assert(
    fc.property(mutations, fc.constantFrom(...paths), (chosen, path) => {
      const mutated = chosen.reduce((bytes, mutate) => mutate(bytes), original.get(path) as Uint8Array);
      outcome[survives(new Map([...original, [path, mutated]])) ? "taken" : "refused"]++;
    }),
    { seed: 4_711, numRuns },
  );
  return outcome;
}

describe("any damaged file", () => {
  it("is taken or refused from the catalogue, with every byte read a bounded number of times", () => {
    const { taken, refused } = fuzz(wholeModel(8), 12_000);
    // Both happen often: the mutations reach deep into the parser.
    expect(taken).toBeGreaterThan(1000);
    expect(refused).toBeGreaterThan(5000);
  });

  it("is so too when its header is larger than the reader's window", () => {
    const { taken, refused } = fuzz(wholeModel(16_000), 120);
    expect(taken).toBeGreaterThan(10);
    expect(refused).toBeGreaterThan(50);
  });

  it("is so too when it is a part of a split model", () => {
    const { taken, refused } = fuzz(splitModel(8), 6_000);
    expect(taken).toBeGreaterThan(500);
    expect(refused).toBeGreaterThan(2500);
  });

  it("is so too when it is nothing but noise behind the magic", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 256 }), (random) => {
        survives(new Map([["noise", Uint8Array.from([...Buffer.from("GGUF"), 3, 0, 0, 0, ...random])]]));
      }),
      { seed: 4_712, numRuns: 3_000 },
    );
  });
});
