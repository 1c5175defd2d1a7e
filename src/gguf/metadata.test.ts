import { describe, expect, it } from "vitest";
import type { MetadataValue } from "./metadata-value.ts";
import { entry, memorySource, parse, rawGguf } from "./test-support.ts";

type Single = Exclude<MetadataValue, { type: "array" }>;

/** The metadata of a file with one key, `k`. */
function metadataOf(value: Single) {
  return parse(memorySource(rawGguf({ entries: [entry("k", value)] })), "m.gguf").metadata;
}

describe("typed metadata", () => {
  it.each<[Single, number]>([
    [{ type: "uint8", value: 255 }, 255],
    [{ type: "int32", value: -7 }, -7],
    [{ type: "float32", value: 0.5 }, 0.5],
    [{ type: "float64", value: 0.1 }, 0.1],
    [{ type: "uint64", value: 2n ** 53n - 1n }, 2 ** 53 - 1],
    [{ type: "int64", value: -5n }, -5],
  ])("reads %o as a number", (stored, number) => {
    expect(metadataOf(stored).number("k")).toBe(number);
  });

  it("falls back only when the key is missing", () => {
    const metadata = metadataOf({ type: "string", value: "text" });
    expect(metadata.numberOr("absent", 3)).toBe(3);
    expect(metadata.stringOr("absent", "none")).toBe("none");
    expect(metadata.booleanOr("absent", true)).toBe(true);
    expect(metadata.stringOr("k", "none")).toBe("text");
    expect(() => metadata.numberOr("k", 3)).toThrow();
  });

  const text = metadataOf({ type: "string", value: "text" });
  const count = metadataOf({ type: "uint32", value: 1 });
  it.each<[string, () => unknown, string]>([
    ["a missing key", () => text.number("absent"), "'m.gguf': metadata key 'absent' is missing"],
    ["a string as a number", () => text.number("k"), "'k' has the type string, expected a number"],
    ["a number as a string", () => count.string("k"), "'k' has the type uint32, expected a string"],
    ["a number as a boolean", () => count.boolean("k"), "'k' has the type uint32, expected a boolean"],
    ["a string as an array", () => text.stringArray("k"), "'k' has the type string, expected an array"],
    [
      "an integer beyond 2^53",
      () => metadataOf({ type: "uint64", value: 2n ** 53n }).number("k"),
      "'k' is 9007199254740992, which is no exact number",
    ],
    [
      "not-a-number",
      () => metadataOf({ type: "float32", value: Number.NaN }).number("k"),
      "'k' is NaN, which is no exact number",
    ],
  ])("refuses %s", (_what, read, message) => {
    expect(read).toThrow(message);
  });
});
