import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it, vi } from "vitest";
import { modelFingerprint, tokenizerFingerprint } from "./fingerprint.ts";
import { openModel } from "./open-model.ts";
import type { GgufFile } from "./read.ts";
import { FAULTS, RangeServer } from "./testing/range-server.ts";
import { GgmlType } from "./types.ts";
import { type GgufContent, writeGguf } from "./write.ts";
import { writeGgufParts } from "./write-parts.ts";

const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

const KIB = 1024;
/** Read at the start, whatever comes. */
const FIRST_BYTES = 512 * KIB;
/** The parser looks ahead by as much. */
const WINDOW_BYTES = 256 * KIB;
const SAMPLE_BYTES = 18 * 4096;

/** A model of three tensors of 1 MiB, with a vocabulary of so many tokens before them. */
function contentWith(tokens: number): GgufContent {
  const vocabulary = Array.from({ length: tokens }, (_, i) => `token number ${i}`);
  const data = (seed: number) => () => [new Uint8Array(1024 * KIB).map((_, i) => (i * seed) >> 3)];
  return {
    metadata: [
      ["general.architecture", { type: "string", value: "moe" }],
      ["tokenizer.ggml.tokens", { type: "array", elementType: "string", value: vocabulary }],
      ["tokenizer.ggml.scores", { type: "array", elementType: "float32", value: vocabulary.map((_, i) => i) }],
    ],
    tensors: [1, 2, 3].map((i) => ({ name: `t${i}`, type: GgmlType.F32, shape: [256, 1024], data: data(i) })),
  };
}

const path = join(folder, "model.gguf");
writeGguf(path, contentWith(100_000));

writeGgufParts(join(folder, "split"), contentWith(10), { maxTensors: 1 });
const files = new Map(readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));

/** What a file says of itself, but for where it lies. */
function factsOf(file: GgufFile): unknown {
  const { version, alignment, headerBytes, metadata, fileBytes } = file;
  const tensors = Array.from(file.tensors.values(), ({ source, ...tensor }) => ({
    ...tensor,
    part: file.parts.indexOf(source),
  }));
  const entries = [...metadata.keys()].map((key) => [key, metadata.value(key)]);
  return { version, alignment, headerBytes, fileBytes, tensors, entries, tokenizer: tokenizerFingerprint(file) };
}

describe("a model behind a URL", () => {
  it.each(["model.gguf", "split-00001-of-00003.gguf", "split-00002-of-00003.gguf"])(
    "is the model on disk: %s",
    async (name) => {
      await using server = await RangeServer.start(files);
      const [web, disk] = [await openModel(server.url(name)), await openModel(join(folder, name))];
      expect(factsOf(web)).toEqual(factsOf(disk));
      expect(await modelFingerprint(web)).toBe(await modelFingerprint(disk));
      expect(web.parts.map((part) => part.path)).toEqual(
        disk.parts.map((part) => part.path.replace(folder, server.url("").slice(0, -1))),
      );
    },
  );

  it("costs its header, at most twice over, and samples for its fingerprint", async () => {
    await using server = await RangeServer.start(files);
    const file = await openModel(server.url("model.gguf"));
    expect(file.headerBytes).toBeGreaterThan(4 * FIRST_BYTES);
    expect(server.bytesAsked).toBeLessThanOrEqual(2 * (file.headerBytes + WINDOW_BYTES));
    expect(server.asked.length).toBeLessThan(6);
    const before = server.bytesAsked;
    await modelFingerprint(file);
    expect(server.bytesAsked - before).toBeLessThanOrEqual(SAMPLE_BYTES);
  });

  it("is not asked for its header's lists again", async () => {
    await using server = await RangeServer.start(files);
    const { metadata } = await openModel(server.url("model.gguf"));
    const before = server.asked.length;
    expect(metadata.numberArray("tokenizer.ggml.scores")).toHaveLength(100_000);
    expect(server.asked).toHaveLength(before);
  });

  it("may end with a list of numbers, which the parser passes over", async () => {
    const scores = Array.from({ length: 300_000 }, (_, i) => i);
    writeGguf(join(folder, "bare.gguf"), {
      metadata: [["scores", { type: "array", elementType: "float32", value: scores }]],
      tensors: [],
    });
    await using server = await RangeServer.start(new Map([["bare.gguf", readFileSync(join(folder, "bare.gguf"))]]));
    expect((await openModel(server.url("bare.gguf"))).metadata.numberArray("scores")).toEqual(scores);
  });

  it("is opened again by its location, and shown without what may be secret", async () => {
    await using server = await RangeServer.start(files);
    const file = await openModel(`${server.url("split-00002-of-00003.gguf")}?key=secret`);
    expect(file.location).toBe(`${server.url("split-00001-of-00003.gguf")}?key=secret`);
    expect(server.asked.every(({ url }) => url.endsWith("?key=secret"))).toBe(true);
    expect([file, ...file.parts].some((shown) => shown.path.includes("secret"))).toBe(false);
  });

  it("gets the token of the environment", async () => {
    await using server = await RangeServer.start(files);
    vi.stubEnv("REMOE_MODEL_TOKEN", "secret");
    await openModel(server.url("model.gguf"));
    vi.unstubAllEnvs();
    expect(new Set(server.asked.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer secret"]));
  });
});

describe("a model behind a URL is refused", () => {
  it("for what it is not, after one request", async () => {
    await using server = await RangeServer.start(new Map([["page.html", Buffer.from("<!doctype html>".repeat(99))]]));
    await expect(openModel(server.url("page.html"))).rejects.toMatchObject({ code: "MODEL_FILE_INVALID" });
    expect(server.asked).toHaveLength(1);
  });

  it("wherever it is cut", async () => {
    const whole = files.get("split-00002-of-00003.gguf") as Uint8Array;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: whole.length - 1 }), async (length) => {
        await using server = await RangeServer.start(new Map([["cut.gguf", whole.subarray(0, length)]]));
        await expect(openModel(server.url("cut.gguf"))).rejects.toMatchObject({ code: "MODEL_FILE_TRUNCATED" });
      }),
      { seed: 20_261_122, numRuns: 20 },
    );
  });

  it("when a part is missing, naming it", async () => {
    const incomplete = new Map([...files].filter(([name]) => name !== "split-00003-of-00003.gguf"));
    await using server = await RangeServer.start(incomplete);
    const opening = openModel(server.url("split-00001-of-00003.gguf"));
    await expect(opening).rejects.toMatchObject({ code: "MODEL_PART_INVALID" });
    await expect(opening).rejects.toThrow("part 3 of 3 of a split model, is missing");
  });

  it("when it changes while its header is read", async () => {
    await using server = await RangeServer.start(files);
    server.script(FAULTS.none, FAULTS.claim({ etag: '"second"' }));
    await expect(openModel(server.url("model.gguf"))).rejects.toMatchObject({ code: "MODEL_CHANGED" });
  });

  it("when nobody waits for it any more", async () => {
    await using server = await RangeServer.start(files);
    server.script(FAULTS.stall(100));
    const controller = new AbortController();
    const opening = openModel(server.url("model.gguf"), { signal: controller.signal });
    controller.abort(new Error("stopped"));
    await expect(opening).rejects.toThrow("stopped");
  });
});
