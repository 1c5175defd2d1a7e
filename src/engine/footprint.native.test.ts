import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadNative, type Native } from "../ggml/library.ts";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import { readTransformer } from "../model/registry.ts";
import { Engine } from "./engine.ts";
import { allExperts, type ExpertSelection } from "./expert-bank.ts";
import { ExpertEngine } from "./expert-engine.ts";
import { expertsFootprint, type Footprint, footprintBytes, mainFootprint } from "./footprint.ts";
import { cpuPlacement } from "./tensor-loader.ts";
import { BUNDLED_MODEL } from "./testing/bundled-model.ts";
import { runGeneration } from "./testing/run-generation.ts";
import { SplitExperts } from "./testing/split-experts.ts";
import { writeTestModel } from "./testing/write-test-model.ts";

const native = loadNative();
const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shape = { hidden: 256, heads: 4, headWidth: 64, expertWidth: 512, layers: 3, experts: 16, vocabulary: 2048 };
const MODELS: readonly (readonly [string, GgufFile])[] = [
  ["bundled, Q8_0", readGguf(BUNDLED_MODEL)],
  ["Q4_K", writeTestModel({ path: join(folder, "q4.gguf"), quant: "Q4_K", shape })],
  ["F16", writeTestModel({ path: join(folder, "f16.gguf"), quant: "F16", shape })],
];
const CONTEXT = 1024;
interface CountingNative {
  readonly native: Native;
  /** Most bytes of buffers held at a time since `restart`. Scratch of graphs the library takes by itself. */
  peak(): number;
  restart(): void;
}

function countBytes(): CountingNative {
  const buffers = new Map<unknown, number>();
  const held = (): number => [...buffers.values()].reduce((a, b) => a + b, 0);
  let peak = 0;
  const { ggml_backend_buft_alloc_buffer: allocate, ggml_backend_buffer_free: free } = native.ggml;
  const ggml: Native["ggml"] = {
    ...native.ggml,
    ggml_backend_buft_alloc_buffer: (type, bytes) => {
      const buffer = allocate(type, bytes);
      buffers.set(buffer, Number(bytes));
      peak = Math.max(peak, held());
      return buffer;
    },
    ggml_backend_buffer_free: (buffer) => {
      buffers.delete(buffer);
      free(buffer);
    },
  };
  const restart = (): void => {
    peak = held();
  };
  return { native: { ...native, ggml }, peak: () => peak, restart };
}

/** A generation that makes every pass an engine keeps. */
async function useAll(engine: Engine, remote?: SplitExperts): Promise<void> {
  for (const length of [20, 30, 45, 400, 700, 1000]) {
    const prompt = Array.from({ length }, (_, i) => (i * 37) % (engine.hyper.vocabulary - 16));
    await runGeneration(engine, prompt, { maxTokens: 3, remote });
  }
}

/** Of a matrix that is looked up and multiplied with: there twice if this processor rearranges it. */
const twinBytes = ({ tensors }: GgufFile): number =>
  tensors.has("output.weight") ? 0 : (tensors.get("token_embd.weight")?.bytes ?? 0);

describe.each(MODELS)("the footprint of a function (%s)", (_, file) => {
  const { layers, experts } = readTransformer(file).hyper;
  const half = (keep: 0 | 1): ExpertSelection =>
    allExperts(layers, experts).map((layer) => layer.filter((expert) => expert % 2 === keep));

  /** Weights to the byte; all buffers that the library is asked for, and scratch, at most as much again in models as small as these. */
  function expectHonest(expected: Footprint, weightBytes: number, bufferedBytes: number): void {
    const twin = expected.weightBytes - weightBytes;
    expect([0, twinBytes(file)]).toContain(twin);
    expect(footprintBytes(expected) - twin).toBeGreaterThanOrEqual(bufferedBytes);
    expect(footprintBytes(expected) - twin).toBeLessThan(2 * bufferedBytes);
  }

  it.each(["default", "exact"] as const)("is what a main function takes (%s numerics)", async (numerics) => {
    const counted = countBytes();
    const options = { threads: 2, contextLength: CONTEXT, numerics };
    using engine = await Engine.load(counted.native, file, options);
    counted.restart();
    await useAll(engine);
    expectHonest(mainFootprint(file, options), engine.weightBytes, counted.peak());
  });

  it("is what a main function with half of the experts takes", async () => {
    const counted = countBytes();
    const options = { threads: 1, contextLength: CONTEXT, experts: half(0) };
    using remote = await SplitExperts.load(native, file, [half(1)]);
    using engine = await Engine.load(counted.native, file, options);
    counted.restart();
    await useAll(engine, remote);
    expectHonest(mainFootprint(file, options), engine.weightBytes, counted.peak());
  });

  it("is what an expert function takes", async () => {
    const counted = countBytes();
    const options = { threads: 1, maxTokens: 512, selection: half(1) };
    using engine = await ExpertEngine.load(counted.native, file, cpuPlacement(native), options);
    counted.restart();
    const expected = expertsFootprint(file, { ...options, experts: options.selection });
    expect(expected.weightBytes).toBe(engine.weightBytes);
    expectHonest(expected, engine.weightBytes, counted.peak());
  });
});
