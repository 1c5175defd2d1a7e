import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/random.ts";
import { CpuBackend } from "../ggml/cpu-backend.ts";
import { GraphBuilder } from "../ggml/graph-builder.ts";
import { loadNative } from "../ggml/library.ts";
import { f32, i32, NamedTensors } from "../ggml/named-tensors.ts";
import type { Tensor } from "../ggml/signatures.ts";
import { diskSource } from "../gguf/model-source.ts";
import { GgmlType, TYPE_TRAITS, tensorBytes, WEIGHT_TYPES } from "../gguf/types.ts";
import { cpuPlacement, loadTensors, type StoredTensor } from "./tensor-loader.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";

const native = loadNative();

describe("the table of tensor types is the library's", () => {
  it.each(Object.entries(GgmlType))("for %s", (_, type) => {
    const { ggml } = native;
    expect(TYPE_TRAITS[type]).toEqual({
      name: ggml.ggml_type_name(type),
      blockElements: Number(ggml.ggml_blck_size(type)),
      blockBytes: Number(ggml.ggml_type_size(type)),
    });
  });
});

const COLUMNS = 512;
const ROWS = 64;
const INPUTS = 4;

/** A floating-point number whose bytes are all below this one is between 0 and 1, in any of the formats. */
const ONE = 0x3c;

/**
 * A file that is one matrix [COLUMNS, ROWS] of random bytes, which mean something in every type: quantising random numbers
 * takes the library half a minute for the coarsest.
 */
function writeMatrix(type: GgmlType): StoredTensor {
  const random = createRandom(type);
  const bytes = tensorBytes(type, [COLUMNS, ROWS]);
  const path = join(temporaryFolder(), "matrix.bin");
  writeFileSync(
    path,
    Uint8Array.from({ length: bytes }, () => random() * ONE),
  );
  const parts = [{ source: diskSource(path, bytes), offset: 0, bytes, rows: ROWS }];
  return { name: "matrix", type, shape: [COLUMNS, ROWS], parts, repackable: true };
}

/** The matrix as numbers, row by row. */
function rowsOf(matrix: Tensor): Float32Array {
  using backend = new CpuBackend(native, 1);
  using io = new NamedTensors(native, backend.bufferType, { ids: i32(ROWS), values: f32(COLUMNS, ROWS) });
  io.views.ids.set(Array.from({ length: ROWS }, (_, row) => row));
  using g = new GraphBuilder(native, 8);
  g.expand(io.pin(g, g.getRows(matrix, io.tensors.ids), "values"));
  backend.compute(g.graph);
  return io.views.values.slice();
}

const input = Float32Array.from({ length: COLUMNS * INPUTS }, (_, i) => Math.sin(i * 1.7));

/** → [ROWS, INPUTS] */
function multiply(matrix: Tensor): Float32Array {
  using backend = new CpuBackend(native, 1);
  using io = new NamedTensors(native, backend.bufferType, { x: f32(COLUMNS, INPUTS), y: f32(ROWS, INPUTS) });
  io.views.x.set(input);
  using g = new GraphBuilder(native, 8);
  g.expand(io.pin(g, g.matmul(matrix, io.tensors.x), "y"));
  backend.compute(g.graph);
  return io.views.y.slice();
}

/** In double precision: one product [ROWS, INPUTS], and the sum of its terms' magnitudes. */
function productOf(rows: Float32Array, i: number): { exact: number; magnitude: number } {
  const [row, column] = [(i % ROWS) * COLUMNS, Math.floor(i / ROWS) * COLUMNS];
  const terms = Array.from({ length: COLUMNS }, (_, k) => (rows[row + k] as number) * (input[column + k] as number));
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b);
  return { exact: sum(terms), magnitude: sum(terms.map(Math.abs)) };
}

/** Kernels round their inputs, to 8 bits for quantised weights: each element by up to 1/254 of the largest. */
const TOLERANCE = 1 / 254;

describe("a weight that is looked up and multiplied gives the same numbers", () => {
  const plain = { ...cpuPlacement(native), repack: null };
  const types = WEIGHT_TYPES.map((type) => [TYPE_TRAITS[type].name, type] as const);

  it.each(types)("in %s", async (_, type) => {
    const spec = writeMatrix(type);
    using stored = await loadTensors(native, [spec], plain);
    using kept = await loadTensors(native, [spec], cpuPlacement(native));
    const tensorOf = ({ byName }: typeof stored): Tensor => byName.get("matrix")?.tensor as Tensor;
    const rows = rowsOf(tensorOf(stored));
    for (const ours of [stored, kept].map((loaded) => multiply(tensorOf(loaded)))) {
      const errors = Array.from(ours, (value, i) => {
        const { exact, magnitude } = productOf(rows, i);
        return Math.abs(value - exact) / magnitude;
      });
      expect(Math.max(...errors)).toBeLessThan(TOLERANCE);
    }
  });
});
