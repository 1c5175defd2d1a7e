import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readGguf } from "../gguf/read.ts";
import { GgmlType, tensorBytes } from "../gguf/types.ts";
import { type TensorSource, writeGguf } from "../gguf/write.ts";
import { inspectModel } from "./inspection.ts";

const folder = mkdtempSync(join(tmpdir(), "inspection-"));
afterAll(() => rmSync(folder, { recursive: true }));

const EXPERTS = 4;

function zeros(name: string, type: GgmlType, shape: readonly number[]): TensorSource {
  return { name, type, shape, data: () => [new Uint8Array(tensorBytes(type, shape))] };
}

function expertLayer(layer: number, down: GgmlType): TensorSource[] {
  return [
    zeros(`blk.${layer}.ffn_gate_exps.weight`, GgmlType.Q8_0, [32, 32, EXPERTS]),
    zeros(`blk.${layer}.ffn_down_exps.weight`, down, [32, 32, EXPERTS]),
    zeros(`blk.${layer}.ffn_down_exps.bias`, GgmlType.F32, [32, EXPERTS]),
  ];
}

/** A dense layer, then three with experts, the last of them stored differently. */
function mixedModel() {
  const path = join(folder, "mixed.gguf");
  const count = (key: string, value: number) => [`newmoe.${key}`, { type: "uint32", value }] as const;
  writeGguf(path, {
    metadata: [
      ["general.architecture", { type: "string", value: "newmoe" }],
      count("block_count", 4),
      count("expert_count", EXPERTS),
      count("expert_used_count", 2),
      count("expert_shared_count", 1),
    ],
    tensors: [
      zeros("token_embd.weight", GgmlType.F32, [32, 10]),
      ...expertLayer(1, GgmlType.Q8_0),
      ...expertLayer(2, GgmlType.Q8_0),
      ...expertLayer(3, GgmlType.F32),
      zeros("blk.1.ffn_down_shexp.weight", GgmlType.F32, [32, 32]),
    ],
  });
  return inspectModel(readGguf(path));
}

describe("inspectModel", () => {
  it("reads any architecture by the names they share, and `null` is what the file does not say", () => {
    expect(mixedModel()).toMatchObject({
      architecture: "newmoe",
      supported: false,
      name: null,
      layers: 4,
      moeLayers: 3,
      experts: EXPERTS,
      expertsPerToken: 2,
      sharedExperts: 1,
      hidden: null,
      vocabulary: 10,
    });
  });

  it("groups layers that store their experts alike", () => {
    const matrix = tensorBytes(GgmlType.Q8_0, [32, 32]);
    const bias = 32 * 4;
    expect(mixedModel().expertTable).toEqual([
      { firstLayer: 1, lastLayer: 2, bytesPerExpert: 2 * matrix + bias, types: { gate: "q8_0", down: "q8_0" } },
      {
        firstLayer: 3,
        lastLayer: 3,
        bytesPerExpert: matrix + 32 * 32 * 4 + bias,
        types: { gate: "q8_0", down: "f32" },
      },
    ]);
  });

  it("reads experts in tensors of their own as it reads stacked ones", () => {
    const path = join(folder, "separate.gguf");
    writeGguf(path, {
      metadata: [
        ["general.architecture", { type: "string", value: "oldmoe" }],
        ["oldmoe.expert_count", { type: "uint32", value: EXPERTS }],
      ],
      tensors: Array.from({ length: EXPERTS }, (_, expert) =>
        zeros(`blk.0.ffn_up.${expert}.weight`, GgmlType.Q8_0, [32, 32]),
      ),
    });
    expect(inspectModel(readGguf(path)).expertTable).toEqual([
      { firstLayer: 0, lastLayer: 0, bytesPerExpert: tensorBytes(GgmlType.Q8_0, [32, 32]), types: { up: "q8_0" } },
    ]);
  });

  it("counts shared experts and embeddings as non-expert", () => {
    const { bytes, quantisation } = mixedModel();
    expect(bytes.nonExpert).toBe((32 * 10 + 32 * 32) * 4);
    expect(bytes.perExpert * 3 * EXPERTS).toBe(bytes.experts);
    expect(quantisation.reduce((sum, entry) => sum + entry.bytes, 0)).toBe(bytes.total);
  });
});
