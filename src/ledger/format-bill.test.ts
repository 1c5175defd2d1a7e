import { describe, expect, it } from "vitest";
import { billRequest } from "./bill.ts";
import { billTable, formatMoney } from "./format-bill.ts";
import { PRICE_BOOKS } from "./price-books.ts";
import { functionUsage } from "./testing/function-usage.ts";

describe("formatMoney", () => {
  it.each([
    [0, "USD", "$0"],
    [0.000012344, "USD", "$0.00001234"],
    [0.00000020000000001, "USD", "$0.0000002"],
    [0.5, "USD", "$0.5"],
    [12.5, "USD", "$12.50"],
    [1234.56789, "USD", "$1,234.5679"],
    [0.0001, "EUR", "€0.0001"],
  ])("%d in %s is %s", (amount, currency, text) => {
    expect(formatMoney(amount, currency)).toBe(text);
  });
});

describe("billTable", () => {
  const book = PRICE_BOOKS.get("aws-lambda-x86");
  if (book === undefined) throw new Error("no price book");
  const main = functionUsage({ invocations: 1, billedMs: 1234, coldStartMs: 180, idleMs: 2500 });

  it("shows every item, also those that cost nothing, and the total", () => {
    const experts = functionUsage({
      function: "experts-0",
      role: "experts",
      memoryMb: 512,
      invocations: 40,
      billedMs: 80,
    });
    expect(billTable(billRequest([main, experts], book))).toEqual([
      ["function", "phase", "memory", "requests", "billed", "GB-s", "cost"],
      ["main", "busy", "1024 MiB", "1", "1,234 ms", "1.234", "$0.00002077"],
      ["main", "cold-start", "1024 MiB", "0", "180 ms", "0.18", "$0.000003"],
      ["main", "keep-alive", "1024 MiB", "0", "2,500 ms", "2.5", "$0"],
      ["experts-0", "busy", "512 MiB", "40", "80 ms", "0.04", "$0.000008667"],
      ["total", "", "", "", "", "3.954", "$0.00003243"],
    ]);
  });

  it("has a column for graphics memory where there is any", () => {
    const [header, ...rows] = billTable(billRequest([{ ...main, gpuMemoryMb: 2048 }], book));
    const column = header?.indexOf("GPU GB-s") ?? -1;
    expect(rows.map((row) => row[column])).toEqual(["2.468", "0.36", "5", "7.828"]);
  });
});
