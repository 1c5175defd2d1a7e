import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { billRequest } from "./bill.ts";
import type { PriceBook, ResourcePrices } from "./price-book.ts";
import { PRICE_BOOKS } from "./price-books.ts";
import { functionUsage } from "./testing/function-usage.ts";
import type { FunctionUsage } from "./usage.ts";

const books = fc.constantFrom(...PRICE_BOOKS.values());
const milliseconds = fc.integer({ min: 0, max: 10_000_000 }).map((microseconds) => microseconds / 1000);
const memory = fc.integer({ min: 1, max: 100_000 });

const usages: fc.Arbitrary<FunctionUsage> = fc.record({
  function: fc.constantFrom("main", "experts-0", "experts-1"),
  role: fc.constantFrom("main" as const, "experts" as const),
  memoryMb: memory,
  vcpus: fc.integer({ min: 1, max: 64 }).map((eighths) => eighths / 8),
  gpuMemoryMb: fc.oneof(fc.constant(0), memory),
  invocations: fc.integer({ min: 0, max: 1000 }),
  busyMs: milliseconds,
  billedMs: milliseconds,
  coldStartMs: milliseconds,
  idleMs: milliseconds,
});
const requests = fc.array(usages, { maxLength: 8 });

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function withPrices(book: PriceBook, factor: number): PriceBook {
  const scale = (prices: ResourcePrices): ResourcePrices => ({
    perGbSecond: prices.perGbSecond * factor,
    perVcpuSecond: prices.perVcpuSecond * factor,
    perGpuGbSecond: prices.perGpuGbSecond * factor,
  });
  return { ...book, perRequest: book.perRequest * factor, busy: scale(book.busy), idle: scale(book.idle) };
}

describe("what is on a bill", () => {
  const [book] = PRICE_BOOKS.values();
  if (book === undefined) throw new Error("there are no price books");

  it("names currency and price book", () => {
    expect(billRequest([], book)).toMatchObject({ currency: "USD", priceBook: book.name, total: 0, items: [] });
  });

  it("lists a function's phases apart and leaves out those with nothing in them", () => {
    const main = functionUsage({ invocations: 1, billedMs: 20, idleMs: 5 });
    const experts = functionUsage({ function: "experts-3", role: "experts", coldStartMs: 100, invocations: 2 });
    const { items } = billRequest([main, experts, functionUsage()], book);
    expect(items.map((item) => `${item.function} ${item.role} ${item.phase}`)).toEqual([
      "main main busy",
      "main main keep-alive",
      "experts-3 experts busy",
      "experts-3 experts cold-start",
    ]);
  });

  it("says requests with the work, and memory × time with every phase", () => {
    const usage = functionUsage({ memoryMb: 1536, vcpus: 2, gpuMemoryMb: 512, invocations: 7, billedMs: 2000 });
    expect(billRequest([{ ...usage, idleMs: 1000 }], book).items).toMatchObject([
      { requests: 7, billedMs: 2000, gbSeconds: 3, vcpuSeconds: 4, gpuGbSeconds: 1 },
      { requests: 0, billedMs: 1000, gbSeconds: 1.5, vcpuSeconds: 2, gpuGbSeconds: 0.5 },
    ]);
  });

  it("lists a cold start that is free, with its time and without a cost", () => {
    const { items } = billRequest([functionUsage({ coldStartMs: 250 })], { ...book, coldStart: "free" });
    expect(items).toMatchObject([{ phase: "cold-start", billedMs: 250, gbSeconds: 0.25, cost: 0 }]);
  });

  it("does not bill the minimum for a start that was not needed", () => {
    const minimum = { ...book, rounding: { granularityMs: 1, minimumMs: 100 } };
    expect(billRequest([functionUsage({ coldStartMs: 0 })], minimum).items).toEqual([]);
    expect(billRequest([functionUsage({ coldStartMs: 1 })], minimum).items).toMatchObject([{ billedMs: 100 }]);
  });
});

describe("laws of every bill", () => {
  it("items in their order sum to exactly the total and the resources", () => {
    const holds = fc.property(requests, books, (usage, book) => {
      const bill = billRequest(usage, book);
      expect(sum(bill.items.map((item) => item.cost))).toBe(bill.total);
      expect(sum(bill.items.map((item) => item.gbSeconds))).toBe(bill.gbSeconds);
      expect(sum(bill.items.map((item) => item.vcpuSeconds))).toBe(bill.vcpuSeconds);
      expect(sum(bill.items.map((item) => item.gpuGbSeconds))).toBe(bill.gpuGbSeconds);
    });
    fc.assert(holds, { seed: 1, numRuns: 500 });
  });

  it("more time, memory, processors or requests never cost less", () => {
    const quantities = [
      "memoryMb",
      "vcpus",
      "gpuMemoryMb",
      "invocations",
      "billedMs",
      "coldStartMs",
      "idleMs",
    ] as const;
    const holds = fc.property(
      requests,
      usages,
      fc.constantFrom(...quantities),
      milliseconds,
      books,
      (others, usage, quantity, extra, book) => {
        const more = { ...usage, [quantity]: usage[quantity] + extra };
        const before = billRequest([...others, usage], book);
        const after = billRequest([...others, more], book);
        expect(after.total).toBeGreaterThanOrEqual(before.total);
        expect(after.gbSeconds).toBeGreaterThanOrEqual(before.gbSeconds);
      },
    );
    fc.assert(holds, { seed: 2, numRuns: 1000 });
  });

  it("another function never makes it cheaper", () => {
    const holds = fc.property(requests, usages, books, (usage, another, book) => {
      expect(billRequest([...usage, another], book).total).toBeGreaterThanOrEqual(billRequest(usage, book).total);
    });
    fc.assert(holds, { seed: 3, numRuns: 300 });
  });

  it("doubling all prices, or the price of the unit, doubles the cost", () => {
    const holds = fc.property(requests, books, (usage, book) => {
      const { total } = billRequest(usage, book);
      expect(billRequest(usage, withPrices(book, 2)).total).toBe(2 * total);
      const unit = { ...book.unit, price: 2 * book.unit.price };
      expect(billRequest(usage, { ...book, unit }).total).toBe(2 * total);
    });
    fc.assert(holds, { seed: 4, numRuns: 300 });
  });

  it("the order of functions changes the order of items, nothing else", () => {
    const shuffled = requests.chain((usage) =>
      fc.tuple(fc.constant(usage), fc.shuffledSubarray(usage, { minLength: usage.length })),
    );
    const holds = fc.property(shuffled, books, ([usage, permuted], book) => {
      const one = billRequest(usage, book);
      const other = billRequest(permuted, book);
      expect(other.items).toEqual(permuted.flatMap((single) => billRequest([single], book).items));
      expect(Math.abs(other.total - one.total)).toBeLessThanOrEqual(1e-12 * one.total);
    });
    fc.assert(holds, { seed: 5, numRuns: 300 });
  });

  it("invocations and waiting cost the same on one bill or on two", () => {
    const holds = fc.property(
      usages,
      milliseconds,
      milliseconds,
      fc.nat(50),
      books,
      (usage, billedMs, idleMs, n, book) => {
        const first = { ...usage, coldStartMs: 0 };
        const second = { ...usage, coldStartMs: 0, invocations: n, billedMs, idleMs };
        const together = {
          ...first,
          invocations: first.invocations + n,
          billedMs: first.billedMs + billedMs,
          idleMs: first.idleMs + idleMs,
        };
        const apart = billRequest([first], book).total + billRequest([second], book).total;
        expect(Math.abs(apart - billRequest([together], book).total)).toBeLessThanOrEqual(1e-12 * apart);
      },
    );
    fc.assert(holds, { seed: 6, numRuns: 300 });
  });

  it("one cold start never costs more than the same time in two", () => {
    const holds = fc.property(usages, milliseconds, milliseconds, books, (usage, a, b, book) => {
      const cost = (coldStartMs: number) => billRequest([{ ...usage, coldStartMs }], book).total;
      const rest = cost(0);
      expect(cost(a + b) - rest).toBeLessThanOrEqual((cost(a) - rest + cost(b) - rest) * (1 + 1e-9) + 1e-12);
    });
    fc.assert(holds, { seed: 7, numRuns: 300 });
  });

  it("no usage costs nothing", () => {
    const holds = fc.property(usages, books, (usage, book) => {
      const none = { ...usage, invocations: 0, busyMs: 0, billedMs: 0, coldStartMs: 0, idleMs: 0 };
      expect(billRequest([none], book)).toMatchObject({ total: 0, gbSeconds: 0, gpuGbSeconds: 0, items: [] });
    });
    fc.assert(holds, { seed: 8, numRuns: 100 });
  });
});
