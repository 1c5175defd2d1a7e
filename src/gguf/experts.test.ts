import { describe, expect, it } from "vitest";
import { separateExperts, stackedExperts } from "./experts.ts";
import { diskSource } from "./model-source.ts";
import type { TensorInfo } from "./tensor-table.ts";
import { GgmlType, tensorBytes } from "./types.ts";

const MODEL = diskSource("model.gguf", 6_000_000_000);

function tensor(shape: readonly number[], change: Partial<TensorInfo> = {}): TensorInfo {
  const type = GgmlType.Q8_0;
  const bytes = tensorBytes(type, shape);
  return { name: "experts", source: MODEL, type, shape, offset: 5_000_000_000, bytes, ...change };
}

describe("experts stacked in one tensor", () => {
  it("have equal parts of it that follow each other and fill it", () => {
    const stack = tensor([64, 32, 8]);
    const { slab } = stackedExperts(stack);
    let end = stack.offset;
    for (let expert = 0; expert < 8; expert++) {
      expect(slab(expert)).toEqual({ source: MODEL, offset: end, bytes: tensorBytes(GgmlType.Q8_0, [64, 32]) });
      end += slab(expert).bytes;
    }
    expect(end).toBe(stack.offset + stack.bytes);
  });

  it("have a row of stacked biases each", () => {
    const { slab } = stackedExperts(tensor([64, 8]));
    expect(slab(3)).toEqual({ source: MODEL, offset: 5_000_000_000 + 3 * 68, bytes: 68 });
  });

  it.each([-1, 8, 0.5, Number.NaN])("are 8, and expert %d is refused", (expert) => {
    const { slab } = stackedExperts(tensor([64, 32, 8]));
    expect(() => slab(expert)).toThrow(`shape [64, 32, 8] has no expert ${expert}`);
  });

  it("are none in a tensor of one row", () => {
    expect(() => stackedExperts(tensor([64])).slab(0)).toThrow("has no expert 0");
  });
});

describe("experts in tensors of their own", () => {
  const part = (index: number) => diskSource(`part${index}.gguf`, 2000);
  const own = (expert: number, change: Partial<TensorInfo> = {}): TensorInfo =>
    tensor([64, 32], { name: `gate.${expert}`, source: part(expert), offset: 1000 - 100 * expert, ...change });

  it("look like a stack, wherever each of them lies", () => {
    const { name, type, shape, slab } = separateExperts("gate", [own(0), own(1), own(2)]);
    expect({ name, type, shape }).toEqual({ name: "gate", type: GgmlType.Q8_0, shape: [64, 32, 3] });
    expect(slab(2)).toMatchObject({
      source: { path: "part2.gguf" },
      offset: 800,
      bytes: tensorBytes(GgmlType.Q8_0, [64, 32]),
    });
  });

  it.each([-1, 2, 0.5])("are 2, and expert %d is refused", (expert) => {
    const { slab } = separateExperts("gate", [own(0), own(1)]);
    expect(() => slab(expert)).toThrow(`shape [64, 32, 2] has no expert ${expert}`);
  });

  it("must have one type", () => {
    const stray = own(1, { type: GgmlType.F16 });
    expect(() => separateExperts("gate", [own(0), stray])).toThrow(
      "'part1.gguf': tensor 'gate.1' has the type f16, but 'gate.0' has q8_0",
    );
  });
});
