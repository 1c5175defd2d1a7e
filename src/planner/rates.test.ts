import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { billRequest } from "../ledger/bill.ts";
import { roundUp } from "../ledger/meter.ts";
import { PRICE_BOOKS } from "../ledger/price-books.ts";
import { functionUsage } from "../ledger/testing/function-usage.ts";
import { expectedBilledMs, isIdleBilled, rateOf } from "./rates.ts";
import { toVcpus } from "./specs.ts";

describe("the rate of a function", () => {
  it("says the same as its bill, with every price book", () => {
    const memory = fc.integer({ min: 128, max: 40_000 });
    const calls = fc.record({ invocations: fc.nat(1000), billedMs: fc.nat(1_000_000), idleMs: fc.nat(1_000_000) });
    fc.assert(
      fc.property(
        fc.constantFrom(...PRICE_BOOKS.values()),
        memory,
        fc.nat(40_000),
        calls,
        (book, memoryMb, gpu, used) => {
          const rate = rateOf({ memoryMb, gpuMemoryMb: gpu }, book);
          const usage = functionUsage({ memoryMb, vcpus: toVcpus(memoryMb), gpuMemoryMb: gpu, ...used });
          const { total } = billRequest([usage], book);
          const { billedMs, idleMs, invocations } = used;
          const cost = billedMs * rate.perMs + idleMs * rate.idlePerMs + invocations * rate.perCall;
          expect(cost / (total || 1)).toBeCloseTo(total === 0 ? 0 : 1, 12);
        },
      ),
      { seed: 1 },
    );
  });
});

it("idle functions cost something with some price books", () => {
  const billed = [...PRICE_BOOKS.values()].filter(isIdleBilled).map(({ name }) => name);
  expect(billed).toEqual(["alibaba-fc-tesla", "alibaba-fc-ada", "google-cloud-run", "kubernetes-m7i"]);
});

describe("the billed time that is expected", () => {
  const rounding = { granularityMs: 100, minimumMs: 0 };

  it("is half a step more than the time", () => {
    expect(expectedBilledMs(1030, rounding)).toBe(1080);
  });

  it("is at least one step, and at least the least that is billed, in whole steps", () => {
    expect(expectedBilledMs(3, rounding)).toBe(100);
    expect(expectedBilledMs(3, { granularityMs: 100, minimumMs: 250 })).toBe(300);
  });

  it("is the mean of what is billed for times around it", () => {
    const steps = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(steps, (step) => {
        const times = Array.from({ length: 100 }, (_, i) => step * 100 + i + 0.5);
        const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;
        const billed = mean(times.map((ms) => roundUp(ms, rounding)));
        expect(expectedBilledMs(mean(times), rounding)).toBeCloseTo(billed, 8);
      }),
      { seed: 2 },
    );
  });

  it("is never less than the time, and never more than a step above", () => {
    const roundings = fc.record({ granularityMs: fc.constantFrom(0.001, 1, 100), minimumMs: fc.constantFrom(0, 1) });
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), roundings, (ms, each) => {
        const billed = expectedBilledMs(ms, each);
        expect(billed).toBeGreaterThanOrEqual(ms);
        expect(billed).toBeLessThanOrEqual(Math.max(ms, each.minimumMs) + each.granularityMs);
      }),
      { seed: 3 },
    );
  });
});
