import type { Budget } from "./budget.ts";
import type { OptionTimes } from "./option-times.ts";

/** What exceeding a limit costs: a millisecond of a token, a millisecond until the first token, a MiB not saved. */
export interface Multipliers {
  readonly token: number;
  readonly ttft: number;
  readonly memory: number;
}

/** The Lagrangian dual at some multipliers, and what the layers choose there. */
export interface Relaxed {
  readonly multipliers: Multipliers;
  /** No choice within the budget costs less. */
  readonly bound: number;
  /** In the budget's terms. */
  readonly tokenMs: number;
  readonly ttftMs: number;
  /** Each layer's choice. [layers] */
  readonly options: readonly number[];
}

type TimeLimit = "token" | "ttft";

/** Fourfold steps until a limit is taken to be out of reach. */
const STEPS_UP = 12;
const HALVINGS = 8;
const MEMORY_HALVINGS = 32;
const ROUNDS = 3;

/**
 * Lagrangian relaxation of what goes with one main function: with a price on each shared limit, every layer chooses for
 * itself. At given prices of time the best price of memory comes from the lower convex hulls of the layers' costs over
 * what they save; the prices of time are bisected in turn. Wherever that stops, it is a lower bound.
 */
export class Relaxation {
  readonly #times: OptionTimes;
  readonly #rows: number;
  /** At the present prices, the least cost of a row's columns, and which that is. [layers × counts] */
  readonly #costs: Float64Array;
  readonly #columns: Int32Array;
  /** Rows on each layer's hull, ascending. [layers × counts], [layers] */
  readonly #hulls: Int32Array;
  readonly #hullSizes: Int32Array;
  /** Cost of a MiB saved from one row of a hull to its next. [layers × counts] */
  readonly #slopes: Float64Array;
  /** [layers × counts] */
  readonly #savedMb: Float64Array;

  constructor(times: OptionTimes) {
    const { counts, demands } = times.grid;
    const size = demands.length * counts.length;
    this.#times = times;
    this.#rows = counts.length;
    this.#costs = new Float64Array(size);
    this.#columns = new Int32Array(size);
    this.#hulls = new Int32Array(size);
    this.#hullSizes = new Int32Array(demands.length);
    this.#slopes = new Float64Array(size);
    this.#savedMb = Float64Array.from({ length: size }, (_, i) =>
      times.grid.savedMb(Math.floor(i / counts.length), i % counts.length),
    );
  }

  /** @returns the best bound found; `null` if not even everything remote saves enough memory */
  *solve(budget: Budget): Generator<void, Relaxed | null, void> {
    let best = this.#relax(budget, { token: 0, ttft: 0 });
    let last = best;
    for (let round = 0; round < ROUNDS && last !== null && best !== null; round++) {
      if (isWithin(last, budget, "token") && isWithin(last, budget, "ttft")) break;
      for (const limit of ["token", "ttft"] as const) {
        last = yield* this.#raise(budget, last ?? best, limit);
        if (last !== null && last.bound > best.bound) best = last;
      }
    }
    return best;
  }

  /** The least price of one limit at which it holds, the other's price as it is. */
  *#raise(budget: Budget, from: Relaxed, limit: TimeLimit): Generator<void, Relaxed | null, void> {
    const priced = (price: number) => this.#relax(budget, { ...from.multipliers, [limit]: price });
    let low = 0;
    // Where time is free, any price will do to begin with.
    let high = (limit === "token" ? budget.tokenPrice : budget.prefillPrice) || 1;
    let within = priced(0);
    if (within === null || isWithin(within, budget, limit)) return within;
    for (let step = 0; step < STEPS_UP; step++) {
      yield;
      within = priced(high);
      if (within === null || isWithin(within, budget, limit)) break;
      low = high;
      high *= 4;
    }
    for (let step = 0; step < HALVINGS && within !== null && isWithin(within, budget, limit); step++) {
      yield;
      const middle = (low + high) / 2;
      const tried = priced(middle);
      if (tried === null || !isWithin(tried, budget, limit)) {
        low = middle;
      } else {
        within = tried;
        high = middle;
      }
    }
    return within;
  }

  #relax(budget: Budget, prices: { readonly token: number; readonly ttft: number }): Relaxed | null {
    for (let layer = 0; layer < this.#hullSizes.length; layer++) {
      this.#priceLayer(layer, budget, prices);
      this.#buildHull(layer);
    }
    const memory = this.#memoryPrice(budget.savedMb);
    if (memory === null) return null;
    return this.#choose(budget, { ...prices, memory });
  }

  /** min over columns of (tokenPrice + λ_token) GT^e + (prefillPrice + λ_ttft) PT^e + C^rem, of each row. */
  #priceLayer(layer: number, budget: Budget, { token, ttft }: { readonly token: number; readonly ttft: number }): void {
    const { grid, decodeMs, prefillMs } = this.#times;
    const { cost, startMs } = grid;
    const columns = grid.columns.length;
    const [decodePrice, prefillPrice] = [budget.tokenPrice + token, budget.prefillPrice + ttft];
    const startPrice = ttft * budget.startShare;
    const savedPrice = budget.savedPrice + ttft * budget.savedStartMs;
    for (let row = layer * this.#rows; row < (layer + 1) * this.#rows; row++) {
      let least = Number.POSITIVE_INFINITY;
      let column = 0;
      for (let at = row * columns; at < (row + 1) * columns; at++) {
        const own =
          decodePrice * (decodeMs[at] as number) +
          prefillPrice * (prefillMs[at] as number) +
          startPrice * (startMs[at] as number) +
          (cost[at] as number);
        if (own < least) {
          least = own;
          column = at - row * columns;
        }
      }
      this.#columns[row] = column;
      this.#costs[row] = least - savedPrice * (this.#savedMb[row] as number);
    }
  }

  /** Lower convex hull of (saved, cost), from the cheapest row on. */
  #buildHull(layer: number): void {
    const first = layer * this.#rows;
    let size = 0;
    for (let row = first; row < first + this.#rows; row++) {
      if (this.#costs[row] === Number.POSITIVE_INFINITY) continue;
      while (size > 0 && this.#isAbove(first, size, row)) size--;
      if (size > 0) this.#slopes[first + size - 1] = this.#slope(this.#hulls[first + size - 1] as number, row);
      this.#hulls[first + size++] = row;
    }
    this.#hullSizes[layer] = size;
  }

  /** Whether the hull's last row is no more needed with one that saves more. */
  #isAbove(first: number, size: number, row: number): boolean {
    const last = this.#hulls[first + size - 1] as number;
    if (size === 1) return (this.#costs[row] as number) <= (this.#costs[last] as number);
    return this.#slope(last, row) <= (this.#slopes[first + size - 2] as number);
  }

  /** Cost of a saved MiB between two rows of a layer. */
  #slope(from: number, to: number): number {
    const saved = (this.#savedMb[to] as number) - (this.#savedMb[from] as number);
    return ((this.#costs[to] as number) - (this.#costs[from] as number)) / saved;
  }

  /** The least price at which the layers save enough. */
  #memoryPrice(neededMb: number): number | null {
    if (this.#savedAt(0) >= neededMb) return 0;
    let low = 0;
    let high = 0;
    for (let layer = 0; layer < this.#hullSizes.length; layer++) {
      const size = this.#hullSizes[layer] as number;
      if (size > 1) high = Math.max(high, this.#slopes[layer * this.#rows + size - 2] as number);
    }
    if (this.#savedAt(high) < neededMb) return null;
    for (let step = 0; step < MEMORY_HALVINGS; step++) {
      const middle = (low + high) / 2;
      if (this.#savedAt(middle) >= neededMb) high = middle;
      else low = middle;
    }
    return high;
  }

  #savedAt(price: number): number {
    let saved = 0;
    for (let layer = 0; layer < this.#hullSizes.length; layer++) {
      saved += this.#savedMb[this.#rowAt(layer, price)] as number;
    }
    return saved;
  }

  /** The row a layer chooses when a saved MiB is worth so much. */
  #rowAt(layer: number, price: number): number {
    const first = layer * this.#rows;
    const last = first + (this.#hullSizes[layer] as number) - 1;
    let at = first;
    while (at < last && (this.#slopes[at] as number) <= price) at++;
    return this.#hulls[at] as number;
  }

  #choose(budget: Budget, multipliers: Multipliers): Relaxed {
    const { grid, decodeMs, prefillMs } = this.#times;
    const columns = grid.columns.length;
    const options: number[] = [];
    let [bound, tokenMs, ttftMs] = [budget.baseCost + multipliers.memory * budget.savedMb, 0, 0];
    for (let layer = 0; layer < this.#hullSizes.length; layer++) {
      const row = this.#rowAt(layer, multipliers.memory);
      const saved = this.#savedMb[row] as number;
      const at = row * columns + (this.#columns[row] as number);
      options.push(at);
      bound += (this.#costs[row] as number) - multipliers.memory * saved;
      tokenMs += decodeMs[at] as number;
      ttftMs +=
        (prefillMs[at] as number) + budget.startShare * (grid.startMs[at] as number) - budget.savedStartMs * saved;
    }
    // An objective that is not there has no price: 0 · Infinity is not a number.
    if (multipliers.token > 0) bound -= multipliers.token * budget.tokenMs;
    if (multipliers.ttft > 0) bound -= multipliers.ttft * budget.ttftMs;
    return { multipliers, bound, tokenMs, ttftMs, options };
  }
}

function isWithin({ tokenMs, ttftMs }: Relaxed, budget: Budget, limit: TimeLimit): boolean {
  return limit === "token" ? tokenMs <= budget.tokenMs : ttftMs <= budget.ttftMs;
}
