import { writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { CpuBackend } from "../ggml/cpu-backend.ts";
import { GraphBuilder } from "../ggml/graph-builder.ts";
import { loadNative } from "../ggml/library.ts";
import { hasOwnLayout, TensorStore, tensorAddress, view } from "../ggml/memory.ts";
import { f32, NamedTensors } from "../ggml/named-tensors.ts";
import { residentShare } from "../ggml/page-cache.ts";
import { setTensorAsync } from "../ggml/transfer.ts";
import { diskSource } from "../gguf/model-source.ts";
import { GgmlType } from "../gguf/types.ts";
import { readTransformer } from "../model/registry.ts";
import { SynthWeights } from "../model/synth/weights.ts";
import { ExpertBank, type ExpertSelection } from "./expert-bank.ts";
import { cpuPlacement, type LoadedTensor, loadTensors, type Placement, type StoredTensor } from "./tensor-loader.ts";
import { joinRanges } from "./testing/join-ranges.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

vi.mock(import("../ggml/page-cache.ts"), { spy: true });

const native = loadNative();
const packing = cpuPlacement(native);
const plain: Placement = { ...packing, repack: null };
const { Q4_0, Q4_K, F32 } = GgmlType;

interface Matrix {
  readonly type: GgmlType;
  readonly columns: number;
  readonly rows: number;
}

/** A file that holds one random matrix somewhere in its middle. */
function writeMatrix({ type, columns, rows }: Matrix): { bytes: Uint8Array; spec: StoredTensor } {
  const path = join(temporaryFolder(), "matrix.bin");
  const weights = new SynthWeights(native, 1).matrix({ type, columns, rows, deviation: 1 / Math.sqrt(columns) });
  const bytes = Buffer.concat([...weights].map((chunk) => Uint8Array.from(chunk)));
  const offset = 32 * 77;
  const content = Buffer.concat([Buffer.alloc(offset, 0xee), bytes, Buffer.alloc(100, 0xee)]);
  writeFileSync(path, content);
  const parts = [{ source: diskSource(path, content.length), offset, bytes: bytes.length, rows }];
  return { bytes, spec: { name: "matrix", type, shape: [columns, rows], parts, repackable: true } };
}

/** The same rows, named as `count` ranges of the file. */
function inParts(spec: StoredTensor, count: number): StoredTensor {
  const [whole] = spec.parts as [StoredTensor["parts"][0]];
  const bytes = whole.bytes / count;
  const parts = Array.from({ length: count }, (_, i) => ({
    ...whole,
    offset: whole.offset + i * bytes,
    bytes,
    rows: whole.rows / count,
  }));
  return { ...spec, parts };
}

const memoryOf = (tensor: LoadedTensor | undefined, bytes: number): Buffer =>
  Buffer.from(new Uint8Array(view(tensorAddress((tensor as LoadedTensor).tensor), bytes)));

/** How the library itself lays a matrix out that it is given as a whole. */
async function memoryOfWhole({ type, shape }: StoredTensor, bytes: Uint8Array): Promise<Buffer> {
  using store = new TensorStore(native, packing.repack ?? packing.plain, [{ type, shape }], true);
  const [tensor] = store.tensors as [LoadedTensor["tensor"]];
  await setTensorAsync(native, tensor, bytes);
  return memoryOf({ tensor, buffer: store.buffer }, bytes.length);
}

/** Larger than a piece of the reader, with a last piece that is not full. */
const LARGE: readonly Matrix[] = [
  { type: F32, columns: 1000, rows: 1300 },
  { type: Q4_0, columns: 2048, rows: 4112 },
  { type: Q4_K, columns: 2048, rows: 4128 },
];

describe.each([
  ["cached by the kernel", 1],
  ["not in the page cache", 0],
])("a file %s", (_, share) => {
  beforeEach(() => void vi.mocked(residentShare).mockReturnValue(share));

  it.each(LARGE)("arrives as it is: type $type, $columns by $rows", async (matrix) => {
    const { bytes, spec } = writeMatrix(matrix);
    using loaded = await loadTensors(native, [spec], plain);
    expect(memoryOf(loaded.byName.get("matrix"), bytes.length).equals(bytes)).toBe(true);
  });

  it.each(LARGE.slice(1))("is rearranged as the library would: type $type, $columns by $rows", async (matrix) => {
    const { bytes, spec } = writeMatrix(matrix);
    using loaded = await loadTensors(native, [spec], packing);
    const whole = await memoryOfWhole(spec, bytes);
    expect(memoryOf(loaded.byName.get("matrix"), bytes.length).equals(whole)).toBe(true);
  });

  it("is the same read in parts", async () => {
    const { bytes, spec } = writeMatrix({ type: Q4_0, columns: 64, rows: 192 });
    using whole = await loadTensors(native, [spec], packing);
    using parts = await loadTensors(native, [inParts(spec, 4)], packing);
    const memories = [whole, parts].map(({ byName }) => memoryOf(byName.get("matrix"), bytes.length));
    expect(memories[1]?.equals(memories[0] as Buffer)).toBe(true);
  });
});

describe("loadTensors", () => {
  it("keeps a matrix plain whose parts would share a group of interleaved rows", async () => {
    const { spec } = writeMatrix({ type: Q4_0, columns: 64, rows: 40 });
    using loaded = await loadTensors(native, [inParts(spec, 5)], packing);
    expect(hasOwnLayout((loaded.byName.get("matrix") as LoadedTensor).tensor)).toBe(false);
  });

  it("keeps a tensor that is named twice once in memory", async () => {
    const { bytes, spec } = writeMatrix({ type: F32, columns: 64, rows: 32 });
    using loaded = await loadTensors(native, [spec, { ...spec, name: "twin" }], packing);
    expect(loaded.byName.get("twin")).toBe(loaded.byName.get("matrix"));
    expect(loaded.bytes).toBe(bytes.length);
  });

  /** Products of both kernels differ by the rounding of the quantised input: each element by up to 1/254. */
  const KERNEL_TOLERANCE = 5e-3;

  it.each([Q4_0, Q4_K])("rearranged weights multiply like plain ones (type %i)", async (type) => {
    const { spec } = writeMatrix({ type, columns: 512, rows: 64 });
    using rearranged = await loadTensors(native, [spec], packing);
    using asStored = await loadTensors(native, [spec], plain);
    const [ours, theirs] = [rearranged, asStored].map(({ byName }) => multiply(byName.get("matrix") as LoadedTensor));
    const largest = Math.max(...(theirs ?? []).map(Math.abs));
    expect(largest).toBeGreaterThan(0.5);
    for (const [i, value] of (ours ?? []).entries()) {
      expect(Math.abs(value - (theirs?.[i] as number)) / largest).toBeLessThan(KERNEL_TOLERANCE);
    }
  });
});

/** A matrix [512, 64] times four fixed inputs. */
function multiply({ tensor }: LoadedTensor): number[] {
  using backend = new CpuBackend(native, 1);
  using io = new NamedTensors(native, backend.bufferType, { x: f32(512, 4), y: f32(64, 4) });
  io.views.x.forEach((_, i) => {
    io.views.x[i] = Math.sin(i * 1.7);
  });
  using g = new GraphBuilder(native, 8);
  g.expand(io.pin(g, g.matmul(tensor, io.tensors.x), "y"));
  backend.compute(g.graph);
  return Array.from(io.views.y);
}

describe("a subset of the experts", () => {
  const selection: ExpertSelection = [[1, 6], [], [0, 2, 7]];

  /** Every read of a file, as a range of it. */
  async function recordReads(path: string, action: () => Promise<void>): Promise<{ offset: number; bytes: number }[]> {
    const handle = await open(path);
    const prototype = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    using spy = vi.spyOn(prototype, "read");
    await action();
    const calls = spy.mock.calls as unknown as [Uint8Array, number, number, number][];
    const results = spy.mock.results.map(({ value }) => value as Promise<{ bytesRead: number }>);
    return Promise.all(calls.map(async ([, , , offset], i) => ({ offset, bytes: (await results[i])?.bytesRead ?? 0 })));
  }

  it("costs only the reading of its own bytes", async () => {
    vi.mocked(residentShare).mockReturnValue(1);
    const file = writeTestModel({ path: join(temporaryFolder(), "model.gguf"), quant: "Q4_0", shape: { layers: 3 } });
    const { experts: tensors } = readTransformer(file);
    const slabs = tensors.flatMap(({ gate, up, down }, layer) =>
      (selection[layer] ?? []).flatMap((expert) => [gate, up, down].flatMap((tensor) => tensor?.slab(expert) ?? [])),
    );
    const reads = await recordReads(file.path, async () => {
      using bank = await ExpertBank.load(native, tensors, { selection, placement: packing });
      expect(bank.layers.map((layer) => layer?.held ?? [])).toEqual(selection);
      expect(bank.bytes).toBe(slabs.reduce((sum, { bytes }) => sum + bytes, 0));
    });
    expect(joinRanges(reads)).toEqual(joinRanges(slabs));
  });
});
