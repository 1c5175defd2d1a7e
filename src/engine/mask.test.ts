import fc from "fast-check";
import { expect, it } from "vitest";
import { fillCausalMask } from "./mask.ts";

/** f16 bit patterns. */
const ZERO = 0;
const MINUS_INFINITY = 0xfc00;

it("a token sees itself and what came before it within its window, and nothing else", () => {
  const shapes = fc.record({
    span: fc.integer({ min: 1, max: 40 }),
    first: fc.nat(50),
    tokens: fc.integer({ min: 1, max: 12 }),
    before: fc.nat(20),
    window: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
  });
  const property = fc.property(shapes, ({ span, first, tokens, before, window }) => {
    const mask = new Uint16Array(span * tokens).fill(0xaaaa); // left over from an earlier pass
    fillCausalMask(mask, { span, first: before, firstPosition: first, tokens, window });
    const expected = Array.from({ length: span * tokens }, (_, i) => {
      const [row, position] = [Math.floor(i / span), i % span];
      const own = Math.min(before + first + row, span - 1);
      const isSeen = position >= before && position <= own && own - position < (window ?? Infinity);
      return isSeen ? ZERO : MINUS_INFINITY;
    });
    expect([...mask]).toEqual(expected);
  });
  fc.assert(property, { seed: 20_260_103 });
});

it("touches only the rows of its tokens", () => {
  const mask = new Uint16Array(8).fill(7);
  fillCausalMask(mask, { span: 2, firstPosition: 0, tokens: 3 });
  expect([...mask]).toEqual([ZERO, MINUS_INFINITY, ZERO, ZERO, ZERO, ZERO, 7, 7]);
});
