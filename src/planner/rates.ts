import { type Rounding, roundUp } from "../ledger/meter.ts";
import type { PriceBook, ResourcePrices } from "../ledger/price-book.ts";
import { toVcpus } from "./specs.ts";

/** What a function costs, in the price book's currency. */
export interface Rate {
  /** While it is busy. */
  readonly perMs: number;
  /** While it is kept warm without work. */
  readonly idlePerMs: number;
  readonly perCall: number;
}

export interface RatedMemory {
  readonly memoryMb: number;
  readonly gpuMemoryMb: number;
}

/** c^c m + c^g M^g, for a millisecond. Says the same as `billRequest`. */
export function rateOf(memory: RatedMemory, { busy, idle, unit, perRequest }: PriceBook): Rate {
  return {
    perMs: (perSecond(memory, busy) * unit.price) / 1000,
    idlePerMs: (perSecond(memory, idle) * unit.price) / 1000,
    perCall: perRequest * unit.price,
  };
}

function perSecond({ memoryMb, gpuMemoryMb }: RatedMemory, prices: ResourcePrices): number {
  return (
    (memoryMb / 1024) * prices.perGbSecond +
    toVcpus(memoryMb) * prices.perVcpuSecond +
    (gpuMemoryMb / 1024) * prices.perGpuGbSecond
  );
}

/**
 * Billed time of an invocation expected to take `ms`. Where its time falls between two steps of the granularity is
 * unknown: rounding up adds half a step on average, and short ones are billed the least there is.
 */
export function expectedBilledMs(ms: number, rounding: Rounding): number {
  return Math.max(roundUp(rounding.granularityMs, rounding), ms + rounding.granularityMs / 2);
}

/** Whether a function costs anything while it has nothing to do. */
export function isIdleBilled({ idle }: PriceBook): boolean {
  return idle.perGbSecond > 0 || idle.perVcpuSecond > 0;
}
