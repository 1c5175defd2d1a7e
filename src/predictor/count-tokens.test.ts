import { expect, it } from "vitest";
import { countTokens } from "./count-tokens.ts";

it("tokens are counted where every one of them was routed: in the first layer", () => {
  const shape = { layers: 2, experts: 3 };
  expect(countTokens(Uint32Array.of(4, 3, 3, 1, 1, 0), shape, 2)).toBe(5);
  expect(countTokens(new Uint32Array(6), shape, 2)).toBe(0);
});
