import type { Budget } from "./budget.ts";
import type { OptionTimes } from "./option-times.ts";
import type { Multipliers } from "./relaxation.ts";

/** A layer's most promising options, by what they cost at the multipliers' prices above the least. Ascending. */
export interface Shortlist {
  /** Places in the grid. */
  readonly options: readonly number[];
  /** The first is 0. */
  readonly reducedCosts: readonly number[];
}

/** At most `size` options of a layer. */
export function shortlist(
  { times, budget, multipliers }: { times: OptionTimes; budget: Budget; multipliers: Multipliers },
  layer: number,
  size: number,
): Shortlist {
  const { grid, decodeMs, prefillMs } = times;
  const decodePrice = budget.tokenPrice + multipliers.token;
  const prefillPrice = budget.prefillPrice + multipliers.ttft;
  const startPrice = multipliers.ttft * budget.startShare;
  const savedPrice = budget.savedPrice + multipliers.ttft * budget.savedStartMs + multipliers.memory;
  const best = new Smallest(size);
  for (const row of grid.counts.keys()) {
    const saved = savedPrice * grid.savedMb(layer, row);
    const first = layer * grid.width + row * grid.columns.length;
    for (let at = first; at < first + grid.columns.length; at++) {
      const cost =
        decodePrice * (decodeMs[at] as number) +
        prefillPrice * (prefillMs[at] as number) +
        startPrice * (grid.startMs[at] as number) +
        (grid.cost[at] as number);
      best.offer(cost - saved, at);
    }
  }
  const least = best.keys[0] as number;
  return { options: best.values, reducedCosts: best.keys.map((key) => key - least) };
}

/** Keeps the values with the smallest finite keys, ascending; of equal ones the first. */
class Smallest {
  readonly keys: number[] = [];
  readonly values: number[] = [];
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  offer(key: number, value: number): void {
    const isFull = this.keys.length === this.#size;
    if (!Number.isFinite(key) || (isFull && key >= (this.keys.at(-1) as number))) return;
    let at = isFull ? this.#size - 1 : this.keys.length;
    for (; at > 0 && (this.keys[at - 1] as number) > key; at--) {
      this.keys[at] = this.keys[at - 1] as number;
      this.values[at] = this.values[at - 1] as number;
    }
    this.keys[at] = key;
    this.values[at] = value;
  }
}
