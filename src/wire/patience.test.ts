import { describe, expect, it } from "vitest";
import { Patience } from "./patience.ts";

/** `count` answers that took `ms` each. */
function answered(patience: Patience, kernel: "decode" | "prefill", { rows, ms, count = 40 }: Answers): Patience {
  for (let i = 0; i < count; i++) patience.answered(kernel, rows, ms);
  return patience;
}

interface Answers {
  readonly rows: number;
  readonly ms: number;
  readonly count?: number;
}

describe("patience with an expert function", () => {
  it("is long before anything was learnt", () => {
    const patience = answered(new Patience(), "decode", { rows: 1, ms: 1, count: 19 });
    expect(patience.deadlineMs("decode", 1)).toBe(10_000);
    expect(patience.hedgeMs("decode", 1)).toBe(250);
  });

  it("follows what calls took, decode by call", () => {
    const patience = answered(new Patience(), "decode", { rows: 2, ms: 200 });
    expect(patience.deadlineMs("decode", 8)).toBeCloseTo(20 * 200);
    expect(patience.hedgeMs("decode", 8)).toBeCloseTo(2 * 200);
  });

  it("follows what calls took, prefill by row", () => {
    const patience = answered(new Patience(), "prefill", { rows: 100, ms: 1000 });
    expect(patience.deadlineMs("prefill", 200)).toBeCloseTo(20 * 2000);
    expect(patience.hedgeMs("prefill", 50)).toBeCloseTo(2 * 500);
  });

  it("never gets shorter than what a busy machine may cost", () => {
    const patience = answered(new Patience(), "decode", { rows: 1, ms: 0.05 });
    expect(patience.deadlineMs("decode", 1)).toBe(2_000);
    expect(patience.hedgeMs("decode", 1)).toBe(5);
  });

  it("forgets old answers", () => {
    const patience = answered(new Patience(), "decode", { rows: 1, ms: 1_000 });
    answered(patience, "decode", { rows: 1, ms: 1, count: 200 });
    expect(patience.hedgeMs("decode", 1)).toBe(5);
  });

  it("keeps prefill and decode apart", () => {
    const patience = answered(new Patience(), "prefill", { rows: 1, ms: 5_000 });
    expect(patience.deadlineMs("decode", 1)).toBe(10_000);
  });
});
