import type { Budget } from "./budget.ts";
import type { OptionGrid } from "./option-grid.ts";
import type { OptionTimes } from "./option-times.ts";
import type { Relaxed } from "./relaxation.ts";

/** A layer's most promising options, by what they cost at the multipliers' prices above the least. Ascending. */
export interface Shortlist {
  /** Places in the grid. */
  readonly options: readonly number[];
  /** The first is 0. */
  readonly reducedCosts: readonly number[];
}

export interface ShortlistInput {
  readonly times: OptionTimes;
  readonly budget: Budget;
  readonly relaxed: Relaxed;
  /** Options whose start takes longer are of no use. */
  readonly longestStartMs: number;
}

/** At most `size` options of a layer. */
export function shortlist(
  { times, budget, relaxed, ...input }: ShortlistInput,
  layer: number,
  size: number,
): Shortlist {
  const { multipliers } = relaxed;
  const { grid, decodeMs, prefillMs } = times;
  const { cost, startMs } = grid;
  const decodePrice = budget.tokenPrice + multipliers.token;
  const prefillPrice = budget.prefillPrice + multipliers.ttft;
  const startPrice = multipliers.ttft * budget.startShare;
  const savedPrice = budget.savedPrice + multipliers.ttft * budget.savedStartMs + multipliers.memory;
  const best = new Smallest(size);
  for (const row of rowsAround(grid, relaxed.options[layer] as number)) {
    const saved = savedPrice * grid.savedMb(layer, row);
    const first = layer * grid.width + row * grid.columns.length;
    const end = first + grid.columns.length;
    for (let at = first; at < end; at++) {
      const own =
        decodePrice * (decodeMs[at] as number) +
        prefillPrice * (prefillMs[at] as number) +
        startPrice * (startMs[at] as number) +
        (cost[at] as number) -
        saved;
      if (own < best.limit && (grid.longestStartMs[at] as number) <= input.longestStartMs) best.add(own, at);
    }
  }
  const least = best.keys[0] as number;
  return { options: best.values, reducedCosts: best.keys.map((key) => key - least) };
}

/** All rows, those next to an option's own first: the best are there, so that few are kept only to be replaced. */
function rowsAround(grid: OptionGrid, option: number): number[] {
  const own = grid.rowOf(option);
  return [...grid.counts.keys()].sort((a, b) => Math.abs(a - own) - Math.abs(b - own));
}

/** Keeps the values with the smallest keys, ascending; of equal ones the first. */
class Smallest {
  readonly keys: number[] = [];
  readonly values: number[] = [];
  /** Only smaller keys are kept. */
  limit = Number.POSITIVE_INFINITY;
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  add(key: number, value: number): void {
    let at = Math.min(this.keys.length, this.#size - 1);
    for (; at > 0 && (this.keys[at - 1] as number) > key; at--) {
      this.keys[at] = this.keys[at - 1] as number;
      this.values[at] = this.values[at - 1] as number;
    }
    this.keys[at] = key;
    this.values[at] = value;
    if (this.keys.length === this.#size) this.limit = this.keys[this.#size - 1] as number;
  }
}
