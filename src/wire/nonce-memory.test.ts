import { expect, it } from "vitest";
import { NonceMemory } from "./nonce-memory.ts";

it("admits a nonce once until it expires, and forgets it then", () => {
  const memory = new NonceMemory(10);
  expect(memory.admit("a", 100, 0)).toBe(true);
  expect(memory.admit("a", 150, 99)).toBe(false);
  expect(memory.admit("a", 200, 100)).toBe(true);
});

it("refuses new nonces rather than forget old ones when it is full", () => {
  const memory = new NonceMemory(2);
  expect(memory.admit("a", 100, 0)).toBe(true);
  expect(memory.admit("b", 100, 0)).toBe(true);
  expect(memory.admit("c", 100, 0)).toBe(false);
  expect(memory.admit("a", 100, 0)).toBe(false);
  expect(memory.admit("c", 200, 100)).toBe(true);
});
