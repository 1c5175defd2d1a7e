import { describe, expect, it } from "vitest";
import { billRequest } from "./bill.ts";
import { Ledger } from "./ledger.ts";
import type { PriceBook } from "./price-book.ts";
import { functionUsage } from "./testing/function-usage.ts";

const BOOK: PriceBook = {
  schemaVersion: 1,
  name: "round-numbers",
  title: "Prices that are easy to add",
  provider: "nobody",
  region: "nowhere",
  currency: "USD",
  asOf: "2026-11-22",
  sources: [{ url: "https://example.org", note: "Invented." }],
  rounding: { granularityMs: 1, minimumMs: 0 },
  unit: { name: "USD", price: 1 },
  perRequest: 0.5,
  busy: { perGbSecond: 2, perVcpuSecond: 0, perGpuGbSecond: 0 },
  idle: { perGbSecond: 1, perVcpuSecond: 0, perGpuGbSecond: 0 },
  coldStart: "billed",
};

const experts = functionUsage({ function: "experts-0", role: "experts" });

/** `[role, phase, cost]` of every total that is not 0. */
function costs(ledger: Ledger): readonly unknown[] {
  return ledger.totals.filter(({ cost }) => cost > 0).map(({ role, phase, cost }) => [role, phase, cost]);
}

describe("Ledger", () => {
  it("has a total for every role and phase before anything happened", () => {
    const { totals } = new Ledger(BOOK);
    expect(totals.map(({ role, phase }) => `${role} ${phase}`)).toEqual([
      "main busy",
      "main cold-start",
      "main keep-alive",
      "experts busy",
      "experts cold-start",
      "experts keep-alive",
    ]);
    expect(totals.every(({ cost, gbSeconds, requests }) => cost === 0 && gbSeconds === 0 && requests === 0)).toBe(true);
  });

  it("adds bills up by role and phase", () => {
    const ledger = new Ledger(BOOK);
    const main = functionUsage({ invocations: 1, billedMs: 1000, coldStartMs: 500 });
    const others = ["experts-0", "experts-1"].map((name) => ({
      ...experts,
      function: name,
      invocations: 4,
      billedMs: 250,
    }));
    const bill = billRequest([main, ...others], BOOK);
    ledger.addBill(bill);
    ledger.addBill(bill);
    expect(costs(ledger)).toEqual([
      ["main", "busy", 5], // 2 × (1 GB-s × 2 + 0.5)
      ["main", "cold-start", 2], // 2 × 0.5 GB-s × 2
      ["experts", "busy", 10], // 2 × 2 × (0.25 GB-s × 2 + 4 × 0.5)
    ]);
    expect(ledger.totals.reduce((sum, { cost }) => sum + cost, 0)).toBe(2 * bill.total);
    expect(ledger.totals.find(({ role, phase }) => role === "experts" && phase === "busy")).toMatchObject({
      requests: 16,
      billedMs: 1000,
      gbSeconds: 1,
    });
  });
});
