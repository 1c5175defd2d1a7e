import { type Rounding, roundUp } from "../ledger/meter.ts";
import type { PriceBook } from "../ledger/price-book.ts";
import { toVcpus } from "./specs.ts";

/** What a function costs while it is busy, in the price book's currency. */
export interface Rate {
  readonly perMs: number;
  readonly perCall: number;
}

export interface RatedMemory {
  readonly memoryMb: number;
  readonly gpuMemoryMb: number;
}

/** c^c m + c^g M^g, for a millisecond. Says the same as `billRequest`. */
export function rateOf({ memoryMb, gpuMemoryMb }: RatedMemory, { busy, unit, perRequest }: PriceBook): Rate {
  const perSecond =
    (memoryMb / 1024) * busy.perGbSecond +
    toVcpus(memoryMb) * busy.perVcpuSecond +
    (gpuMemoryMb / 1024) * busy.perGpuGbSecond;
  return { perMs: (perSecond * unit.price) / 1000, perCall: perRequest * unit.price };
}

/**
 * Billed time of an invocation expected to take `ms`. Where its time falls between two steps of the granularity is
 * unknown: rounding up adds half a step on average, and short ones are billed the least there is.
 */
export function expectedBilledMs(ms: number, rounding: Rounding): number {
  return Math.max(roundUp(rounding.granularityMs, rounding), ms + rounding.granularityMs / 2);
}
