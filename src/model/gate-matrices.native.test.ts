import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { loadNative } from "../ggml/library.ts";
import { readGguf } from "../gguf/read.ts";
import { GgmlType } from "../gguf/types.ts";
import { gateMatrices } from "./gate-matrices.ts";

const MODEL = fileURLToPath(new URL("../../models/tiny-moe/tiny-moe-q8_0.gguf", import.meta.url));

it("are the file's numbers, a row an expert", async () => {
  const file = readGguf(MODEL);
  const bytes = readFileSync(MODEL);
  const matrices = await gateMatrices(loadNative(), file);
  expect(matrices).toHaveLength(6);
  for (const [layer, matrix] of matrices.entries()) {
    const tensor = file.tensors.get(`blk.${layer}.ffn_gate_inp.weight`);
    expect(tensor).toMatchObject({ type: GgmlType.F32, shape: [256, 16] });
    const stored = bytes.subarray(tensor?.offset, (tensor?.offset ?? 0) + (tensor?.bytes ?? 0));
    expect(matrix).toEqual(new Float32Array(new Uint8Array(stored).buffer));
  }
});
