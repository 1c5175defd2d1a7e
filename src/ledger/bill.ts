import { addCharges, type Charge, NO_CHARGE } from "./charge.ts";
import { roundUp } from "./meter.ts";
import type { PriceBook, ResourcePrices } from "./price-book.ts";
import type { FunctionUsage } from "./usage.ts";

/** What a function was doing; `keep-alive` is waiting warm for the next request. */
export const PHASES = ["busy", "cold-start", "keep-alive"] as const;

export type Phase = (typeof PHASES)[number];

/** What one function used in one phase. */
export interface BillItem extends Charge {
  readonly function: string;
  readonly role: FunctionUsage["role"];
  readonly phase: Phase;
  readonly memoryMb: number;
}

/** What one request costs. `total` and the sums of resources add up the items in their order; nothing is rounded. */
export interface Bill {
  readonly currency: string;
  /** Name of the price book. */
  readonly priceBook: string;
  readonly total: number;
  /** All memory held, also while the platform charged nothing for it. */
  readonly gbSeconds: number;
  readonly vcpuSeconds: number;
  readonly gpuGbSeconds: number;
  readonly items: readonly BillItem[];
}

/** Time of one phase and its prices. */
interface Use {
  readonly phase: Phase;
  readonly requests: number;
  readonly billedMs: number;
  readonly prices: ResourcePrices;
}

const FREE: ResourcePrices = { perGbSecond: 0, perVcpuSecond: 0, perGpuGbSecond: 0 };

/**
 * The bill of one request. Items follow the order of `usage`; those with nothing in them are left out, those the
 * platform charges nothing for are not.
 */
export function billRequest(usage: readonly FunctionUsage[], book: PriceBook): Bill {
  const items = usage
    .flatMap((one) => [busyItem(one, book), coldStartItem(one, book), keepAliveItem(one, book)])
    .filter((item) => item.requests > 0 || item.billedMs > 0);
  const { cost, gbSeconds, vcpuSeconds, gpuGbSeconds } = items.reduce<Charge>(addCharges, NO_CHARGE);
  return { currency: book.currency, priceBook: book.name, total: cost, gbSeconds, vcpuSeconds, gpuGbSeconds, items };
}

function busyItem(usage: FunctionUsage, book: PriceBook): BillItem {
  const { invocations: requests, billedMs } = usage;
  return billItem(usage, { phase: "busy", requests, billedMs, prices: book.busy }, book);
}

function coldStartItem(usage: FunctionUsage, book: PriceBook): BillItem {
  const billedMs = usage.coldStartMs > 0 ? roundUp(usage.coldStartMs, book.rounding) : 0;
  const prices = book.coldStart === "billed" ? book.busy : FREE;
  return billItem(usage, { phase: "cold-start", requests: 0, billedMs, prices }, book);
}

/** Time a function was kept warm. It is not rounded: it has no start and end of its own on a provider's bill. */
function keepAliveItem(usage: FunctionUsage, book: PriceBook): BillItem {
  return billItem(usage, { phase: "keep-alive", requests: 0, billedMs: usage.idleMs, prices: book.idle }, book);
}

function billItem(usage: FunctionUsage, { phase, requests, billedMs, prices }: Use, book: PriceBook): BillItem {
  const seconds = billedMs / 1000;
  const gbSeconds = (usage.memoryMb / 1024) * seconds;
  const vcpuSeconds = usage.vcpus * seconds;
  const gpuGbSeconds = (usage.gpuMemoryMb / 1024) * seconds;
  const units =
    gbSeconds * prices.perGbSecond +
    vcpuSeconds * prices.perVcpuSecond +
    gpuGbSeconds * prices.perGpuGbSecond +
    requests * book.perRequest;
  const charge: Charge = { requests, billedMs, gbSeconds, vcpuSeconds, gpuGbSeconds, cost: units * book.unit.price };
  return { function: usage.function, role: usage.role, phase, memoryMb: usage.memoryMb, ...charge };
}
