import { readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadNative, type Native } from "../ggml/library.ts";
import { diskSource } from "../gguf/model-source.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import { GgmlType } from "../gguf/types.ts";
import { Engine } from "./engine.ts";
import { allExperts } from "./expert-bank.ts";
import { ExpertEngine } from "./expert-engine.ts";
import { cpuPlacement, loadTensors, type StoredTensor } from "./tensor-loader.ts";
import { BUNDLED_MODEL, bundledPrompts } from "./testing/bundled-model.ts";
import { type CountingNative, countHeld } from "./testing/counting-native.ts";
import { runGeneration } from "./testing/run-generation.ts";
import { SplitExperts } from "./testing/split-experts.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
const bundled = readGguf(BUNDLED_MODEL);
const [prompt = []] = bundledPrompts(native, 1);

function expectNothingHeld(counting: CountingNative): void {
  expect(Object.entries(counting.held()).filter(([, count]) => count !== 0)).toEqual([]);
}

describe("everything taken of the native library is given back", () => {
  it.each(["default", "exact"] as const)("by an engine that has generated (%s numerics)", async (numerics) => {
    const counting = countHeld(native);
    {
      using engine = await Engine.load(counting.native, bundled, { threads: 1, numerics });
      // Through several cache spans, so that passes are made and dropped.
      for (const length of [10, 300, 600, 900]) {
        await runGeneration(engine, Array<number>(length).fill(300), { maxTokens: 3 });
      }
      expect(counting.held()["ggml_backend_buft_alloc_buffer"]).toBeGreaterThan(0);
    }
    expectNothingHeld(counting);
  });

  it("by an engine with experts elsewhere, and by the functions that hold them", async () => {
    const counting = countHeld(native);
    const all = allExperts(6, 16);
    const [local, remote] = [(expert: number) => expert % 2 === 0, (expert: number) => expert % 2 === 1].map((keep) =>
      all.map((layer) => layer.filter(keep)),
    );
    {
      using engine = await Engine.load(counting.native, bundled, { threads: 2, experts: local });
      using experts = await SplitExperts.load(counting.native, bundled, [remote ?? []]);
      await runGeneration(engine, prompt, { remote: experts });
    }
    expectNothingHeld(counting);
  });
});

describe("a load that fails gives everything back", () => {
  const openFiles = (): number => readdirSync("/proc/self/fd").length;

  /** The header of a whole file, over one whose last bytes are missing: what a copy that was cut short looks like. */
  function truncatedAfterHeader(missing: number): GgufFile {
    const path = join(temporaryFolder(), "model.gguf");
    const file = writeTestModel({ path, quant: "F16" });
    truncateSync(path, file.fileBytes - missing);
    return file;
  }

  it.runIf(process.platform === "linux")("of a file that ends early", async () => {
    const file = truncatedAfterHeader(10_000);
    const counting = countHeld(native);
    const before = openFiles();
    await expect(Engine.load(counting.native, file, { threads: 1 })).rejects.toMatchObject({
      code: "MODEL_FILE_TRUNCATED",
      details: { path: file.path, part: "tensor data" },
    });
    expect(openFiles()).toBe(before);
    expectNothingHeld(counting);
  });

  it("of exact numerics with an expert elsewhere", async () => {
    const counting = countHeld(native);
    const experts = allExperts(6, 16).map((layer) => layer.slice(1));
    const options = { threads: 1, numerics: "exact", experts } as const;
    await expect(Engine.load(counting.native, bundled, options)).rejects.toMatchObject({
      code: "NUMERICS_NEED_ALL_EXPERTS",
    });
    expectNothingHeld(counting);
  });

  it("of experts whose file ends early", async () => {
    const file = truncatedAfterHeader(60_000);
    const counting = countHeld(native);
    const selection = allExperts(2, 8);
    const options = { selection, threads: 1, maxTokens: 64 };
    await expect(ExpertEngine.load(counting.native, file, cpuPlacement(native), options)).rejects.toMatchObject({
      code: "MODEL_FILE_TRUNCATED",
    });
    expectNothingHeld(counting);
  });

  it("and only after the work that was under way", async () => {
    const path = join(temporaryFolder(), "short.bin");
    writeFileSync(path, new Uint8Array(8 * MATRIX_BYTES));
    const source = diskSource(path, 8 * MATRIX_BYTES);
    const spec = (i: number): StoredTensor => ({
      name: `matrix ${i}`,
      type: GgmlType.Q4_0,
      shape: [64, 64],
      parts: [{ source, offset: i * MATRIX_BYTES, bytes: MATRIX_BYTES, rows: 64 }],
      repackable: true,
    });
    const slow = slowTransfers();
    const specs = [spec(8), spec(0), spec(1), spec(2)];
    await expect(loadTensors(slow.native, specs, cpuPlacement(native))).rejects.toMatchObject({
      code: "MODEL_FILE_TRUNCATED",
    });
    expect(slow.pending()).toBe(0);
  });
});

/** Of a Q4_0 matrix [64, 64]: 18 bytes for 32 elements. */
const MATRIX_BYTES = 64 * 2 * 18;

/** The libraries, with transfers that take their time and write nothing. */
function slowTransfers(): { readonly native: Native; pending(): number } {
  let pending = 0;
  const transfer = (...parameters: unknown[]): void => {
    pending++;
    setTimeout(() => {
      pending--;
      (parameters.at(-1) as (error: null) => void)(null);
    }, 20);
  };
  const ggml_backend_tensor_set = Object.assign(() => undefined, { async: transfer });
  return { native: { ...native, ggml: { ...native.ggml, ggml_backend_tensor_set } }, pending: () => pending };
}
