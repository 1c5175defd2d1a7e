import { describe, expect, it } from "vitest";
import type { RequestTimings } from "../gateway/trace.ts";
import { describeSlo, judgeSlo } from "./slo.ts";

function timings(ttftMs: number | null, tpotMs: number | null): RequestTimings {
  return {
    queueMs: 0,
    predictMs: 0,
    planMs: 0,
    coldStartMs: 0,
    prefillMs: 10,
    decodeMs: 20,
    ttftMs,
    tpotMs,
    totalMs: 30,
  };
}

describe("judgeSlo", () => {
  it("has no opinion without objectives", () => {
    expect(judgeSlo({ ttftMs: null, tpotMs: null }, timings(10, 5))).toBeNull();
  });

  it("is met up to the objective and missed beyond it", () => {
    expect(judgeSlo({ ttftMs: 10, tpotMs: 4 }, timings(10, 5))).toEqual({ ttftMet: true, tpotMet: false });
  });

  it("leaves open what has no objective or was not measured", () => {
    expect(judgeSlo({ ttftMs: 10, tpotMs: null }, timings(10, 5))).toEqual({ ttftMet: true, tpotMet: null });
    expect(judgeSlo({ ttftMs: 10, tpotMs: 4 }, timings(10, null))).toEqual({ ttftMet: true, tpotMet: null });
  });
});

describe("describeSlo", () => {
  it("has a line for each objective", () => {
    expect(describeSlo({ ttftMs: 500, tpotMs: 2000 }, timings(35, 2500))).toEqual([
      "TTFT objective of 500 ms met: 35 ms",
      "TPOT objective of 2.00 s missed: 2.50 s",
    ]);
    expect(describeSlo({ ttftMs: null, tpotMs: 20 }, timings(35, null))).toEqual([
      "TPOT objective of 20 ms not measured: too few tokens",
    ]);
    expect(describeSlo({ ttftMs: null, tpotMs: null }, timings(35, 5))).toEqual([]);
  });
});
