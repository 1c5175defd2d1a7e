import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type GgufFile, readGguf } from "../gguf/read.ts";
import { GgmlType, tensorBytes } from "../gguf/types.ts";
import { writeGguf } from "../gguf/write.ts";
import { requireExperts, requireTensor } from "./require-tensor.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "weights-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

type Tensor = readonly [name: string, type: GgmlType, shape: readonly number[]];

function fileOf(...tensors: readonly Tensor[]): GgufFile {
  const path = join(folder, "model.gguf");
  const sources = tensors.map(([name, type, shape]) => {
    return { name, type, shape, data: () => [new Uint8Array(tensorBytes(type, shape))] };
  });
  writeGguf(path, { metadata: [], tensors: sources });
  return readGguf(path);
}

const { F32, F16, I32, Q8_0, Q8_1 } = GgmlType;

describe("requireTensor", () => {
  it("gives a tensor of the shape asked for; files may leave out dimensions of 1", () => {
    const file = fileOf(["w", Q8_0, [32, 4]], ["v", F32, [8]]);
    expect(requireTensor(file, "w", [32, 4, 1])).toBe(file.tensors.get("w"));
    expect(requireTensor(file, "v")).toBe(file.tensors.get("v"));
  });

  it.each<[string, Tensor, string]>([
    ["is missing", ["other", F32, [8]], "tensor 'w' is missing"],
    ["has another shape", ["w", F32, [8, 3]], "tensor 'w' has the shape [8,3], expected [8,2]"],
  ])("refuses one that %s", (_, tensor, message) => {
    expect(() => requireTensor(fileOf(tensor), "w", [8, 2])).toThrow(message);
  });

  it.each<[string, Tensor, string]>([
    ["integers", ["w", I32, [32, 2]], "f32, f16, q4_0"],
    ["what kernels make of their inputs", ["w", Q8_1, [32, 2]], "f32, f16, q4_0"],
    ["vectors that are not in single precision", ["w", F16, [32]], "these types: f32."],
  ])("refuses %s, naming the types it takes", (_, tensor, supported) => {
    const refusal = { code: "MODEL_TYPE_UNSUPPORTED", hint: expect.stringContaining(supported) };
    expect(() => requireTensor(fileOf(tensor), "w")).toThrow(expect.objectContaining(refusal));
  });
});

describe("requireExperts", () => {
  const SHAPE = [32, 4, 2] as const;
  const stacked = (type: GgmlType): Tensor => ["blk.0.ffn_up_exps.weight", type, SHAPE];
  const own = (expert: number, type: GgmlType): Tensor => [`blk.0.ffn_up.${expert}.weight`, type, [32, 4]];

  it("finds experts in one tensor or in one each, in any order", () => {
    for (const file of [fileOf(stacked(Q8_0)), fileOf(own(1, Q8_0), own(0, Q8_0))]) {
      const experts = requireExperts(file, "blk.0.ffn_up", SHAPE);
      expect(experts).toMatchObject({ name: "blk.0.ffn_up_exps.weight", type: Q8_0, shape: SHAPE });
      expect([0, 1].map((expert) => experts.slab(expert).bytes)).toEqual([136, 136]);
    }
    const { slab } = requireExperts(fileOf(own(1, Q8_0), own(0, Q8_0)), "blk.0.ffn_up", SHAPE);
    expect(slab(1).offset).toBeLessThan(slab(0).offset);
  });

  it.each<[string, readonly Tensor[], string]>([
    ["there are none", [], "tensor 'blk.0.ffn_up_exps.weight' is missing"],
    ["one of them is missing", [own(0, F32)], "tensor 'blk.0.ffn_up.1.weight' is missing"],
    ["their types differ", [own(0, F32), own(1, F16)], "'blk.0.ffn_up.1.weight' has the type f16, but 'blk.0.ffn_up.0"],
    ["their type is none for weights", [stacked(I32)], "has the type i32"],
    ["there are more of them", [["blk.0.ffn_up_exps.weight", F32, [32, 4, 3]]], "has the shape [32,4,3]"],
  ])("refuses them when %s", (_, tensors, message) => {
    expect(() => requireExperts(fileOf(...tensors), "blk.0.ffn_up", SHAPE)).toThrow(message);
  });

  it("finds the only expert there is, though files may leave out the dimension of 1", () => {
    const file = fileOf(["blk.1.ffn_down_exps.weight", F32, [32, 4]]);
    expect(requireExperts(file, "blk.1.ffn_down", [32, 4, 1]).slab(0).bytes).toBe(512);
  });
});
