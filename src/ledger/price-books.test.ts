import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { billRequest } from "./bill.ts";
import type { PriceBook } from "./price-book.ts";
import { DEFAULT_PRICE_BOOK, PRICE_BOOKS } from "./price-books.ts";
import { functionUsage } from "./testing/function-usage.ts";

function priceBook(name: string): PriceBook {
  const book = PRICE_BOOKS.get(name);
  if (book === undefined) throw new Error(`no price book ${name}`);
  return book;
}

it("the default is one of the built-in price books", () => {
  expect(PRICE_BOOKS.has(DEFAULT_PRICE_BOOK)).toBe(true);
});

const guide = readFileSync(new URL("../../docs/guide/pricing.md", import.meta.url), "utf8");

describe.each([...PRICE_BOOKS])("the price book %s", (name, book) => {
  it("is known by its own name, has https sources and the day it was made", () => {
    expect(book.name).toBe(name);
    expect(book.asOf).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    expect(book.sources.every(({ url, note }) => url.startsWith("https://") && note !== "")).toBe(true);
  });

  it("is in the guide's table with its date and first source", () => {
    const row = guide.split("\n").find((line) => line.startsWith(`| \`${name}\``));
    expect(row).toContain(book.asOf);
    expect(row).toContain(book.sources[0]?.url);
  });

  it("never charges more for waiting than for work", () => {
    expect(book.idle.perGbSecond).toBeLessThanOrEqual(book.busy.perGbSecond);
    expect(book.idle.perVcpuSecond).toBeLessThanOrEqual(book.busy.perVcpuSecond);
    expect(book.idle.perGpuGbSecond).toBeLessThanOrEqual(book.busy.perGpuGbSecond);
  });
});

describe("bills worked by hand", () => {
  it("aws-lambda-x86: the example of AWS's pricing page", () => {
    // 512 MB, 3 million requests of 1 s: 3e6 × 0.5 GB × 1 s = 1,500,000 GB-s.
    const usage = functionUsage({ memoryMb: 512, invocations: 3e6, billedMs: 3e9 });
    const bill = billRequest([usage], priceBook("aws-lambda-x86"));
    expect(bill.gbSeconds).toBe(1_500_000);
    // 1,500,000 × 0.0000166667 = 25.00005; 3 million × 0.20 a million = 0.60
    expect(bill.total).toBeCloseTo(25.60005, 10);
    // The page takes the free tier off, 400,000 GB-s and 1 million requests: 18.34 + 0.40 = 18.74 to the cent.
    expect(bill.total - 400_000 * 0.0000166667 - 0.2).toBeCloseTo(18.73337, 10);
  });

  it("aws-lambda-x86: a cold start is billed, waiting is not", () => {
    // 2048 MiB: 250.4 ms of start → 251 ms × 2 GB = 0.502 GB-s; 40 ms × 2 GB = 0.08 GB-s; 60 s × 2 GB = 120 GB-s
    const usage = functionUsage({ memoryMb: 2048, invocations: 1, billedMs: 40, coldStartMs: 250.4, idleMs: 60_000 });
    const { items, gbSeconds } = billRequest([usage], priceBook("aws-lambda-x86"));
    expect(items.map(({ phase, billedMs }) => [phase, billedMs])).toEqual([
      ["busy", 40],
      ["cold-start", 251],
      ["keep-alive", 60_000],
    ]);
    expect(gbSeconds).toBeCloseTo(120.582, 10);
    const [busy, coldStart, keepAlive] = items.map(({ cost }) => cost);
    expect(busy).toBeCloseTo(0.08 * 0.0000166667 + 0.0000002, 15); // 0.000001533336
    expect(coldStart).toBeCloseTo(0.0000083666834, 15); // 0.502 × 0.0000166667
    expect(keepAlive).toBe(0);
  });

  it("aws-lambda-arm", () => {
    // 1769 MiB for 1 s = 1.7275390625 GB-s × 0.0000133334 = 0.00002303396933…; one request 0.0000002
    const usage = functionUsage({ memoryMb: 1769, invocations: 1, billedMs: 1000 });
    expect(billRequest([usage], priceBook("aws-lambda-arm")).total).toBeCloseTo(0.0000232339693, 13);
  });

  it("alibaba-fc-tesla: the example of Alibaba's page on pay-as-you-go", () => {
    // 3 million requests of 200 ms with 512 MB and 0.25 vCPU:
    // 3e6 / 10,000 × 75 = 22,500 CU; 300,000 GB-s × 0.15 = 45,000 CU; 150,000 vCPU-s × 1 = 150,000 CU
    // 217,500 CU × 0.00002 = 4.35
    const usage = functionUsage({ memoryMb: 512, vcpus: 0.25, invocations: 3e6, billedMs: 600e6 });
    expect(billRequest([usage], priceBook("alibaba-fc-tesla")).total).toBeCloseTo(4.35, 10);
  });

  it.each([
    // The case of Alibaba's page on idle GPUs at today's factors: 16 GB of graphics memory, an hour, half of it idle.
    // 1,800 s × 16 GB = 28,800 GB-s busy and as many idle.
    // Tesla: (28,800 × 2.1 + 28,800 × 0.5) × 0.00002 = 74,880 × 0.00002 = 1.4976
    ["alibaba-fc-tesla", 1.4976],
    // Ada: (28,800 × 1.5 + 28,800 × 0.25) × 0.00002 = 50,400 × 0.00002 = 1.008
    ["alibaba-fc-ada", 1.008],
  ])("%s: an hour of a GPU, half of it idle", (name, cost) => {
    const gpuOnly = { memoryMb: 0, vcpus: 0, gpuMemoryMb: 16_384 };
    const usage = functionUsage({ ...gpuOnly, invocations: 1800, billedMs: 1.8e6, idleMs: 1.8e6 });
    const bill = billRequest([usage], priceBook(name));
    expect(bill.gpuGbSeconds).toBe(57_600);
    expect(bill.total).toBeCloseTo(cost + 1800 * 0.0075 * 0.00002, 10);
  });

  it("alibaba-fc-tesla: while idle memory costs as before and processors nothing", () => {
    // 4 GB × 10 s = 40 GB-s × 0.15 = 6 CU × 0.00002 = 0.00012
    const usage = functionUsage({ memoryMb: 4096, vcpus: 2, idleMs: 10_000 });
    expect(billRequest([usage], priceBook("alibaba-fc-tesla")).total).toBeCloseTo(0.00012, 15);
  });

  it("google-cloud-run: start, work and idle minimum instance", () => {
    // 2 vCPUs, 4 GiB. Busy 300 ms: 0.6 vCPU-s × 0.000024 + 1.2 GiB-s × 0.0000025 + 0.0000004 = 0.0000178
    // Start 1,234 ms → 1,300 ms: 2.6 × 0.000024 + 5.2 × 0.0000025 = 0.0000754
    // Idle 60 s: 120 × 0.0000025 + 240 × 0.0000025 = 0.0009
    const usage = functionUsage({
      memoryMb: 4096,
      vcpus: 2,
      invocations: 1,
      billedMs: 300,
      coldStartMs: 1234,
      idleMs: 60_000,
    });
    const costs = billRequest([usage], priceBook("google-cloud-run")).items.map(({ cost }) => cost);
    [0.0000178, 0.0000754, 0.0009].forEach((cost, phase) => {
      expect(costs[phase]).toBeCloseTo(cost, 15);
    });
  });

  it("kubernetes-m7i: an hour of a whole m7i.large costs its price, busy or not", () => {
    const hour = 3_600_000;
    const node = { memoryMb: 8192, vcpus: 2 };
    const book = priceBook("kubernetes-m7i");
    expect(billRequest([functionUsage({ ...node, invocations: 1, billedMs: hour })], book).total).toBeCloseTo(
      0.1008,
      12,
    );
    expect(billRequest([functionUsage({ ...node, idleMs: hour })], book).total).toBeCloseTo(0.1008, 12);
    expect(billRequest([functionUsage({ ...node, coldStartMs: hour })], book).total).toBeCloseTo(0.1008, 12);
  });

  it("remoe-paper: graphics memory costs three times as much, requests and starts nothing", () => {
    // 2 GB × 10 s = 20 GB-s; 4 GB of graphics memory × 10 s × 3 count as 120: 140 × 0.0000166667 = 0.002333338
    const usage = functionUsage({
      memoryMb: 2048,
      gpuMemoryMb: 4096,
      invocations: 9,
      billedMs: 10_000,
      coldStartMs: 5000,
      idleMs: 60_000,
    });
    expect(billRequest([usage], priceBook("remoe-paper")).total).toBeCloseTo(0.002333338, 12);
  });
});
