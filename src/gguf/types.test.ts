import { describe, expect, it } from "vitest";
import { GgmlType, isGgmlType, rowBytes, TYPE_TRAITS, tensorBytes } from "./types.ts";

describe("the table of tensor types", () => {
  it("has traits for every id and no other", () => {
    const ids = Object.values(GgmlType).map(String).sort();
    expect(Object.keys(TYPE_TRAITS).sort()).toEqual(ids);
    expect(ids).toHaveLength(35);
  });

  it("knows each name once", () => {
    const names = Object.values(TYPE_TRAITS).map((traits) => traits.name);
    expect(new Set(names).size).toBe(names.length);
  });

  it("does not know the types that ggml removed", () => {
    expect([4, 5, 31, 32, 33, 36, 37, 38, 43, -1, 2 ** 32 - 1].filter(isGgmlType)).toEqual([]);
  });

  // Bits per weight as ggml documents them: (scales + mins + quants) of a block over its elements.
  it.each([
    ["F32", 32],
    ["BF16", 16],
    ["Q8_0", 8.5],
    ["Q6_K", 6.5625],
    ["Q5_K", 5.5],
    ["Q4_K", 4.5],
    ["Q4_0", 4.5],
    ["IQ4_XS", 4.25],
    ["MXFP4", 4.25],
    ["NVFP4", 4.5],
    ["Q3_K", 3.4375],
    ["IQ3_XXS", 3.0625],
    ["Q2_K", 2.625],
    ["IQ2_XS", 2.3125],
    ["IQ2_XXS", 2.0625],
    ["TQ2_0", 2.0625],
    ["IQ1_M", 1.75],
    ["TQ1_0", 1.6875],
    ["IQ1_S", 1.5625],
  ] as const)("stores %s in %f bits a weight", (name, bits) => {
    expect((rowBytes(GgmlType[name], 1024) * 8) / 1024).toBe(bits);
  });
});

describe("tensorBytes", () => {
  it("multiplies rows by the outer dimensions", () => {
    expect(tensorBytes(GgmlType.Q8_0, [256, 256, 16])).toBe(1_114_112);
    expect(tensorBytes(GgmlType.F32, [64])).toBe(256);
  });

  it("is exact beyond 32 bits", () => {
    // The up projections of one DeepSeek-V3 layer: [7168, 2048, 256] in bf16.
    expect(tensorBytes(GgmlType.BF16, [7168, 2048, 256])).toBe(7_516_192_768);
  });

  it("refuses rows that end inside a block", () => {
    expect(() => rowBytes(GgmlType.Q4_K, 300)).toThrow("a row of 300 elements does not fill whole q4_K blocks of 256");
  });
});
