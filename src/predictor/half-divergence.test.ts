import { expect, it } from "vitest";
import { halfDivergence } from "./half-divergence.ts";

const SHAPE = { layers: 1, experts: 4 };

it("compares the tokens at even positions with those at odd ones", () => {
  const tokens = new Uint32Array(4);
  expect(halfDivergence({ tokens, experts: Uint16Array.of(0, 1, 0, 1, 2, 3, 2, 3) }, SHAPE)).toBe(0);
  expect(halfDivergence({ tokens, experts: Uint16Array.of(0, 1, 2, 3, 0, 1, 2, 3) }, SHAPE)).toBe(1);
});
