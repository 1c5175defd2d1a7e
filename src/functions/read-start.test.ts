import { describe, expect, it } from "vitest";
import { readStart } from "./read-start.ts";
import { TOLD_BY_PARENT } from "./spec.ts";

const start = { name: "main", memoryMb: 100, vcpus: 1, listen: "unix:/main.sock" };

describe("what a function is told at its start", () => {
  it("is in one variable, for who starts it himself", () => {
    const REMOE_FUNCTION = JSON.stringify({ ...start, secret: "own" });
    expect(readStart({ REMOE_FUNCTION })).toEqual({ ...start, secret: "own" });
    expect(readStart({ REMOE_FUNCTION, REMOE_FUNCTION_SECRET: "inherited" })?.secret).toBe("own");
  });

  it("is told by its parent where the variable says so", () => {
    expect(readStart({ REMOE_FUNCTION: TOLD_BY_PARENT })).toBeNull();
  });

  it("has the secret apart where others can read the rest", () => {
    const REMOE_FUNCTION = JSON.stringify(start);
    expect(readStart({ REMOE_FUNCTION, REMOE_FUNCTION_SECRET: "apart" })).toEqual({ ...start, secret: "apart" });
  });
});
