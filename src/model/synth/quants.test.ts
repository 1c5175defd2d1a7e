import { describe, expect, it } from "vitest";
import { GgmlType } from "../../gguf/types.ts";
import { matrixType, SYNTH_QUANTS } from "./quants.ts";

const place = (name: string, layer = 0, layers = 24) => ({ name, layer, layers });

describe("the type of a matrix", () => {
  it("is the quant's, but for the output matrix", () => {
    expect(matrixType(SYNTH_QUANTS.Q4_K, place("attn_q"), 2048)).toBe(GgmlType.Q4_K);
    expect(matrixType(SYNTH_QUANTS.Q4_K, place("output"), 2048)).toBe(GgmlType.Q6_K);
  });

  it("is MXFP4 for the experts alone", () => {
    expect(matrixType(SYNTH_QUANTS.MXFP4, place("ffn_up_exps"), 2880)).toBe(GgmlType.MXFP4);
    expect(matrixType(SYNTH_QUANTS.MXFP4, place("ffn_up_shexp"), 2880)).toBe(GgmlType.Q8_0);
    expect(matrixType(SYNTH_QUANTS.MXFP4, place("token_embd"), 2880)).toBe(GgmlType.Q8_0);
  });

  it.each(["attn_v", "ffn_down_exps"])(
    "has in Q4_K_M more bits for %s in the outer eighths and every third layer",
    (name) => {
      const larger = Array.from({ length: 24 }, (_, layer) => layer).filter(
        (layer) => matrixType(SYNTH_QUANTS.Q4_K_M, place(name, layer), 2048) === GgmlType.Q6_K,
      );
      expect(larger).toEqual([0, 1, 2, 5, 8, 11, 14, 17, 20, 21, 22, 23]);
    },
  );

  it("is a larger one with smaller blocks for rows that its own do not fit", () => {
    expect(matrixType(SYNTH_QUANTS.Q4_K, place("ffn_down_exps"), 1408)).toBe(GgmlType.Q5_0);
    expect(matrixType(SYNTH_QUANTS.Q4_K_M, place("ffn_down_exps"), 1408)).toBe(GgmlType.Q8_0);
    expect(matrixType(SYNTH_QUANTS.IQ4_XS, place("ffn_down_exps"), 1408)).toBe(GgmlType.IQ4_NL);
  });

  it("is F16 for rows that no blocks fit", () => {
    expect(matrixType(SYNTH_QUANTS.Q4_K, place("ffn_down_exps"), 20)).toBe(GgmlType.F16);
    expect(matrixType(SYNTH_QUANTS.Q8_0, place("ffn_down_exps"), 20)).toBe(GgmlType.F16);
  });
});
