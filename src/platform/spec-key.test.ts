import { expect, it } from "vitest";
import { createSpecKeys } from "./spec-key.ts";
import { standInSpec } from "./testing/stand-in-spec.ts";

const keyOf = createSpecKeys();

it("equal specs have equal keys, whatever the order of their fields", () => {
  const { name, program, ...rest } = standInSpec({ start: { allocateMb: 1, say: "x" } });
  const same = { ...rest, program: Object.fromEntries(Object.entries(program).reverse()) as typeof program, name };
  expect(keyOf(same)).toBe(keyOf({ name, program, ...rest }));
});

it("specs that differ anywhere have different keys", () => {
  const specs = [
    standInSpec(),
    standInSpec({ name: "main" }),
    standInSpec({ vcpus: 2 }),
    standInSpec({ start: { allocateMb: 1 } }),
    standInSpec({ start: { allocateMb: 2 } }),
  ];
  expect(new Set(specs.map(keyOf)).size).toBe(specs.length);
});
