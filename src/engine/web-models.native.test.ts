import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { loadNative } from "../ggml/library.ts";
import { tensorAddress, view } from "../ggml/memory.ts";
import { openModel } from "../gguf/open-model.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import { FAULTS, RangeServer } from "../gguf/testing/range-server.ts";
import { GgmlType } from "../gguf/types.ts";
import { WebFile } from "../gguf/web-file.ts";
import { writeGgufParts } from "../gguf/write-parts.ts";
import type { ExpertTensors } from "../model/architecture.ts";
import { readTransformer } from "../model/registry.ts";
import { modelContent } from "../model/synth/model-content.ts";
import { SYNTH_QUANTS } from "../model/synth/quants.ts";
import { TINY_SHAPES } from "../model/synth/tiny-shapes.ts";
import { TokenEmbeddings } from "../model/token-embeddings.ts";
import { AdoptedExperts } from "./adopted-experts.ts";
import { Engine } from "./engine.ts";
import { allExperts, ExpertBank, type ExpertSelection } from "./expert-bank.ts";
import type { RemoteCall } from "./runtime.ts";
import { cpuPlacement, type LoadedTensor, loadTensors } from "./tensor-loader.ts";
import { countHeld } from "./testing/counting-native.ts";
import { joinRanges } from "./testing/join-ranges.ts";
import { bitsOf, runGeneration } from "./testing/run-generation.ts";
import { SplitExperts } from "./testing/split-experts.ts";

const native = loadNative();
const placement = cpuPlacement(native);
const LAYERS = 3;
const EXPERTS = 8;
const PROMPT = [3, 1, 4, 1, 5, 9, 2, 6];

const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Models in several parts: one whose weights are kept as stored, one whose weights are rearranged. */
const shape = { ...TINY_SHAPES.qwen3moe, layers: LAYERS, experts: EXPERTS };
for (const quant of ["F16", "Q4_0"] as const) {
  const content = modelContent(native, shape, { quant: SYNTH_QUANTS[quant], seed: 1, name: "tiny" });
  writeGgufParts(join(folder, quant), content, { maxTensors: 20 });
}
const files = new Map(readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
const firstPart = (quant: string): string =>
  [...files.keys()].find((name) => name.startsWith(`${quant}-00001`)) as string;

const readLocal = (quant: string): GgufFile => readGguf(join(folder, firstPart(quant)));

/** Everything but what opening a model takes. */
async function askedDuring(server: RangeServer, action: () => Promise<void>): Promise<RangeServer["asked"]> {
  const before = server.asked.length;
  await action();
  return server.asked.slice(before);
}

/** The ranges of each part, as few as there can be. */
function byPart(
  ranges: readonly { readonly part: string; readonly offset: number; readonly bytes: number }[],
): unknown {
  const parts = [...new Set(ranges.map(({ part }) => part))].sort();
  return parts.map((part) => [part, joinRanges(ranges.filter((range) => range.part === part))]);
}

const asRanges = (asked: RangeServer["asked"]) =>
  asked.map(({ url, first, last }) => ({ part: url, offset: first, bytes: last - first + 1 }));

const slabsOf = (experts: readonly ExpertTensors[], selection: ExpertSelection) =>
  experts.flatMap(({ gate, up, down }, layer) =>
    (selection[layer] ?? []).flatMap((expert) =>
      [gate, up, down].flatMap((tensor) => {
        if (tensor === null) return [];
        const { source, offset, bytes } = tensor.slab(expert);
        return [{ part: new URL(source.path).pathname, offset, bytes }];
      }),
    ),
  );

describe("of a model behind a URL", () => {
  it("any rows of a matrix arrive where they belong, and nothing else is downloaded", async () => {
    const [columns, rows] = [64, 2000];
    const content = new Uint8Array(Float32Array.from({ length: columns * rows }, (_, i) => i).buffer);
    const rowBytes = columns * 4;
    const range = fc.tuple(fc.nat(rows - 1), fc.integer({ min: 1, max: 400 }));
    await using server = await RangeServer.start(new Map([["m", content]]));
    const options = { token: null, silenceMs: 10_000, pause: async () => {} };
    const { file: source } = await WebFile.open(new URL(server.url("m")), 1, options);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(range, { minLength: 1, maxLength: 6, selector: ([row]) => row }),
        async (ranges) => {
          const starts = ranges.map(([row]) => row);
          // Up to the next range, or the end: none is read twice.
          const parts = ranges.map(([row, count]) => {
            const next = Math.min(rows, ...starts.filter((other) => other > row));
            const taken = Math.min(count, next - row);
            return { source, offset: row * rowBytes, bytes: taken * rowBytes, rows: taken };
          });
          const total = parts.reduce((sum, part) => sum + part.rows, 0);
          const spec = { name: "m", type: GgmlType.F32, shape: [columns, total], parts, repackable: false };
          const asked = await askedDuring(server, async () => {
            using loaded = await loadTensors(native, [spec], placement);
            const { tensor } = loaded.byName.get("m") as LoadedTensor;
            const memory = Buffer.from(new Uint8Array(view(tensorAddress(tensor), total * rowBytes)));
            const expected = parts.map(({ offset, bytes }) => content.subarray(offset, offset + bytes));
            expect(memory.equals(Buffer.concat(expected))).toBe(true);
          });
          expect(joinRanges(asRanges(asked))).toEqual(joinRanges(parts));
        },
      ),
      { seed: 20_261_122, numRuns: 40 },
    );
  });

  it.each(["F16", "Q4_0"])("any selection of experts costs exactly their bytes (%s)", async (quant) => {
    await using server = await RangeServer.start(files);
    const { experts } = readTransformer(await openModel(server.url(firstPart(quant))));
    const some = fc.subarray([...Array(EXPERTS).keys()]);
    await fc.assert(
      fc.asyncProperty(fc.array(some, { minLength: LAYERS, maxLength: LAYERS }), async (selection) => {
        const asked = await askedDuring(server, async () => {
          using bank = await ExpertBank.load(native, experts, { selection, placement });
          expect(bank.layers.map((layer) => layer?.held ?? [])).toEqual(selection);
        });
        expect(byPart(asRanges(asked))).toEqual(byPart(slabsOf(experts, selection)));
      }),
      { seed: 20_261_122, numRuns: 20 },
    );
  });

  it.each(["F16", "Q4_0"])("generations have the bits of the model on disk (%s)", async (quant) => {
    await using server = await RangeServer.start(files);
    const generate = async (file: GgufFile): Promise<string> => {
      const local = allExperts(LAYERS, EXPERTS).map((layer) => layer.filter((expert) => expert % 3 !== 0));
      const remote = allExperts(LAYERS, EXPERTS).map((layer) => layer.filter((expert) => expert % 3 === 0));
      using engine = await Engine.load(native, file, { threads: 1, contextLength: 128, experts: local });
      using others = await SplitExperts.load(native, file, [remote]);
      const { logits } = await runGeneration(engine, PROMPT, { maxTokens: 8, remote: others });
      return bitsOf(logits);
    };
    const web = await openModel(server.url(firstPart(quant)));
    expect(await generate(web)).toBe(await generate(readLocal(quant)));
  });

  it("a lost expert is adopted by downloading it alone, with the bits it had", async () => {
    await using server = await RangeServer.start(files);
    const web = await openModel(server.url(firstPart("F16")));
    const { hyper, experts } = readTransformer(web);
    const compute = async (file: GgufFile): Promise<Float32Array> => {
      const options = { placement, memoryBytes: Number.POSITIVE_INFINITY, threads: 1, maxTokens: 4 };
      using adopted = new AdoptedExperts(native, file, options);
      const call: RemoteCall = {
        layer: 1,
        kernel: "decode",
        inputs: Float32Array.from({ length: hyper.hidden }, (_, i) => Math.sin(i)),
        rows: { count: 1, tokens: Int32Array.of(0), experts: Int32Array.of(5), slots: Int32Array.of(0) },
        weights: new Float32Array(hyper.expertsPerToken),
        outputs: new Float32Array(hyper.hidden),
      };
      await adopted.compute(call);
      return call.outputs;
    };
    const asked = await askedDuring(server, async () => {
      expect(await compute(web)).toEqual(await compute(readLocal("F16")));
    });
    expect(byPart(asRanges(asked))).toEqual(byPart(slabsOf(experts, [[], [5], []])));
  });

  it("token embeddings are those on disk, a range each", async () => {
    await using server = await RangeServer.start(files);
    using web = new TokenEmbeddings(native, await openModel(server.url(firstPart("F16"))));
    using disk = new TokenEmbeddings(native, readLocal("F16"));
    const asked = await askedDuring(server, async () => {
      const [ours, theirs] = [await web.of(PROMPT), await disk.of(PROMPT)];
      for (const token of PROMPT) expect(ours(token)).toEqual(theirs(token));
    });
    expect(asked).toHaveLength(new Set(PROMPT).size);
  });

  it("nothing is held when a download fails", async () => {
    await using server = await RangeServer.start(files);
    const web = await openModel(server.url(firstPart("Q4_0")));
    const counting = countHeld(native);
    server.script(FAULTS.none, FAULTS.none, FAULTS.claim({ etag: '"second"' }));
    const loading = Engine.load(counting.native, web, { threads: 1, contextLength: 128 });
    await expect(loading).rejects.toMatchObject({ code: "MODEL_CHANGED" });
    expect(Object.values(counting.held()).every((count) => count === 0)).toBe(true);
  });
});
