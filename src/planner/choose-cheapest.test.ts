import { describe, expect, it } from "vitest";
import { chooseCheapest } from "./choose-cheapest.ts";
import type { Evaluation, Violation } from "./evaluation.ts";

function candidate(name: string, cost: number, ...violations: readonly Violation[]) {
  const evaluation: Evaluation = {
    prefillMs: 0,
    decodeMs: 0,
    coldStartMs: 0,
    ttftMs: 0,
    tpotMs: 0,
    cost,
    costs: { main: cost, remotePrefill: 0, remoteDecode: 0, coldStart: 0, keepAlive: 0 },
    remoteCalls: 0,
    gpuMemoryMb: 0,
    violations,
  };
  return { name, evaluation };
}

const ttft = (expectedMs: number): Violation => ({ objective: "ttft", limitMs: 1000, expectedMs });
const tpot = (expectedMs: number): Violation => ({ objective: "tpot", limitMs: 10, expectedMs });

describe("chooseCheapest", () => {
  it("takes the cheapest that meets the objectives, not the cheapest of all", () => {
    const candidates = [candidate("dear", 3), candidate("right", 2), candidate("late", 1, ttft(1001))];
    expect(chooseCheapest(candidates).name).toBe("right");
  });

  it("takes the first of equal ones", () => {
    expect(chooseCheapest([candidate("first", 1), candidate("second", 1)]).name).toBe("first");
  });

  it("takes the one that misses least where all miss, by the worst of its objectives", () => {
    const candidates = [
      candidate("one badly", 1, tpot(20)),
      candidate("both a little", 3, ttft(1100), tpot(15)),
      candidate("both a little, cheaper", 2, ttft(1500), tpot(12)),
    ];
    expect(chooseCheapest(candidates).name).toBe("both a little, cheaper");
  });
});
