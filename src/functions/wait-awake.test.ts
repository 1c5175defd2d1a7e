import { expect, it } from "vitest";
import { waitAwake } from "./wait-awake.ts";

it("only functions with a whole processor wait awake", () => {
  expect(waitAwake(0.999)).toEqual({ pollMs: 0 });
  expect([waitAwake(1), waitAwake(4)]).toEqual([{}, {}]);
});
