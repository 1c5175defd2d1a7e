import type { GridRow, OptionGrid } from "./option-grid.ts";
import type { OptionTerms } from "./option-terms.ts";
import type { Relaxed } from "./relaxation.ts";

/** A layer's most promising options, by what they cost at the multipliers' prices above the least. Ascending. */
export interface Shortlist {
  /** Places in the grid. */
  readonly options: readonly number[];
  /** The first is 0. */
  readonly reducedCosts: readonly number[];
}

export interface ShortlistInput {
  readonly terms: OptionTerms;
  readonly relaxed: Relaxed;
}

/** At most `size` options of a layer. */
export function shortlist({ terms, relaxed }: ShortlistInput, layer: number, size: number): Shortlist {
  const { multipliers, longestStartMs } = relaxed;
  const { from, end } = relaxed.columns;
  const { grid, cost, tokenMs, ttftMs } = terms;
  const columns = grid.columns.length;
  const best = new Smallest(size);
  for (const row of rowsAround(grid, layer, relaxed.options[layer] as number)) {
    const { remote, savedMb } = grid.rows[row] as GridRow;
    const saved = multipliers.memory * savedMb;
    const first = row * columns + from;
    // Without remote experts all columns are the same.
    for (let at = first; at < (remote === 0 ? first + 1 : row * columns + end); at++) {
      const own =
        (cost[at] as number) +
        multipliers.token * (tokenMs[at] as number) +
        multipliers.ttft * (ttftMs[at] as number) +
        multipliers.room * (grid.heldMb[at] as number) -
        saved;
      if (own < best.limit && (grid.longestStartMs[at] as number) <= longestStartMs) best.add(own, at);
    }
  }
  const least = best.keys[0] as number;
  return { options: best.values, reducedCosts: best.keys.map((key) => key - least) };
}

/** All rows of a layer, those next to an option's own first: the best are there, so few are kept only to be replaced. */
function rowsAround({ columns, firstRows }: OptionGrid, layer: number, option: number): number[] {
  const [first, end] = [firstRows[layer] as number, firstRows[layer + 1] as number];
  const own = Math.floor(option / columns.length);
  const rows = [own];
  for (let away = 1; rows.length < end - first; away++) {
    if (own - away >= first) rows.push(own - away);
    if (own + away < end) rows.push(own + away);
  }
  return rows;
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
