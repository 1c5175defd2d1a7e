import { describe, expect, it } from "vitest";
import type { Plan } from "../planner/plan.ts";
import type { RequestTrace } from "./trace.ts";
import { WarmUps } from "./warm-ups.ts";

const PLAN: Plan = { specMain: { memoryMb: 512 }, layers: [] };

interface Served {
  readonly tokens: number;
  readonly decodeMs?: number;
  readonly isCold?: boolean;
  readonly mainRestarts?: number;
}

function served(...requests: readonly Served[]): WarmUps {
  const warmUps = new WarmUps();
  for (const { tokens, decodeMs = 0, isCold = false, mainRestarts = 0 } of requests) {
    const bill = { items: isCold ? [{ phase: "cold-start" }] : [] };
    const timings = { prefillMs: 100, decodeMs };
    const trace = { completionTokens: tokens, timings, bill, faults: { mainRestarts } };
    warmUps.observe(PLAN, trace as unknown as RequestTrace);
  }
  return warmUps;
}

describe("functions", () => {
  it("are warmed up after a hundred tokens", () => {
    expect(served().isOver(PLAN)).toBe(false);
    expect(served({ tokens: 99, isCold: true }).isOver(PLAN)).toBe(false);
    expect(served({ tokens: 60, isCold: true }, { tokens: 40 }).isOver(PLAN)).toBe(true);
  });

  it("are warmed up after two seconds of work, however few tokens that was", () => {
    expect(served({ tokens: 5, decodeMs: 1_899 }).isOver(PLAN)).toBe(false);
    expect(served({ tokens: 5, decodeMs: 1_900 }).isOver(PLAN)).toBe(true);
  });

  it("are not when they were started again", () => {
    expect(served({ tokens: 500 }, { tokens: 10, isCold: true }).isOver(PLAN)).toBe(false);
    expect(served({ tokens: 500 }, { tokens: 10, mainRestarts: 1 }).isOver(PLAN)).toBe(false);
  });

  it("are not when other plans' are", () => {
    expect(served({ tokens: 500 }).isOver({ ...PLAN })).toBe(false);
  });
});
