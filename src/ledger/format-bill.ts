import type { Bill } from "./bill.ts";

/** Four significant digits below one, at least cents above: `$0.00001234`, `$12.50`, `$0`. */
export function formatMoney(amount: number, currency: string): string {
  const digits =
    Math.abs(amount) < 1 ? { maximumSignificantDigits: 4 } : { minimumFractionDigits: 2, maximumFractionDigits: 4 };
  return amount.toLocaleString("en-US", { style: "currency", currency, ...digits });
}

/**
 * Rows of a table: a header, every item, the total. From the third column on cells are numbers. Graphics memory has a
 * column only where there is any.
 */
export function billTable(bill: Bill): string[][] {
  const gpu = (cell: string): string[] => (bill.gpuGbSeconds > 0 ? [cell] : []);
  const items = bill.items.map((item) => [
    item.function,
    item.phase,
    `${item.memoryMb} MiB`,
    formatQuantity(item.requests),
    `${formatQuantity(item.billedMs)} ms`,
    formatQuantity(item.gbSeconds),
    ...gpu(formatQuantity(item.gpuGbSeconds)),
    formatMoney(item.cost, bill.currency),
  ]);
  return [
    ["function", "phase", "memory", "requests", "billed", "GB-s", ...gpu("GPU GB-s"), "cost"],
    ...items,
    [
      "total",
      "",
      "",
      "",
      "",
      formatQuantity(bill.gbSeconds),
      ...gpu(formatQuantity(bill.gpuGbSeconds)),
      formatMoney(bill.total, bill.currency),
    ],
  ];
}

/** At least three decimals or four significant digits, whichever says more: `0.00001234`, `12.345`, `1,234.5`. */
function formatQuantity(value: number): string {
  const digits = { maximumFractionDigits: 3, maximumSignificantDigits: 4, roundingPriority: "morePrecision" } as const;
  return value.toLocaleString("en-US", digits);
}
