import { describe, expect, it } from "vitest";
import { expertSlab } from "./experts.ts";
import type { TensorInfo } from "./tensor-table.ts";
import { GgmlType, tensorBytes } from "./types.ts";

function tensor(shape: readonly number[]): TensorInfo {
  return {
    name: "experts",
    type: GgmlType.Q8_0,
    shape,
    offset: 5_000_000_000,
    bytes: tensorBytes(GgmlType.Q8_0, shape),
  };
}

describe("expertSlab", () => {
  it("cuts a stacked tensor into equal parts that follow each other and fill it", () => {
    const stacked = tensor([64, 32, 8]);
    let end = stacked.offset;
    for (let expert = 0; expert < 8; expert++) {
      const slab = expertSlab(stacked, expert);
      expect(slab).toEqual({ offset: end, bytes: tensorBytes(GgmlType.Q8_0, [64, 32]) });
      end += slab.bytes;
    }
    expect(end).toBe(stacked.offset + stacked.bytes);
  });

  it("cuts stacked biases by row", () => {
    expect(expertSlab(tensor([64, 8]), 3)).toEqual({ offset: 5_000_000_000 + 3 * 68, bytes: 68 });
  });

  it.each([-1, 8, 0.5, Number.NaN])("refuses expert %d of 8", (expert) => {
    expect(() => expertSlab(tensor([64, 32, 8]), expert)).toThrow(`shape [64, 32, 8] has no expert ${expert}`);
  });

  it("refuses a tensor that is one row", () => {
    expect(() => expertSlab(tensor([64]), 0)).toThrow("has no expert 0");
  });
});
