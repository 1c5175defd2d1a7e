import type { Budget } from "./budget.ts";
import type { OptionTerms } from "./option-terms.ts";

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
  /** Options whose start takes longer are of no use. */
  readonly longestStartMs: number;
  /** In the budget's terms. */
  readonly tokenMs: number;
  readonly ttftMs: number;
  /** Each layer's choice. [layers] */
  readonly options: readonly number[];
}

type TimeLimit = "token" | "ttft";
type TimePrices = Pick<Multipliers, TimeLimit>;

/** A price, in times the price of that time itself, that leaves little but how to keep a limit. */
const PROHIBITIVE = 1e6;
const TANGENTS = 8;
/** A little above the best price limits hold, a little below they do not. */
const ABOVE = 1 + 1e-4;
/** Each of the two limits' turn, three times. */
const TURNS = 6;
/** Bounds this much apart count as equal. */
const TOLERANCE = 1e-4;

/**
 * Lagrangian relaxation of what goes with one main function: with a price on each shared limit, every layer chooses for
 * itself. At given prices of time the best price of memory comes from the lower convex hulls of the layers' costs over
 * what they save; the prices of time are raised in turn. Wherever that stops, it is a lower bound.
 */
export class Relaxation {
  readonly #terms: OptionTerms;
  /** At the present prices, the least cost of a row's columns, and which option that is. [rows] */
  readonly #costs: Float64Array;
  readonly #options: Int32Array;
  /** Rows on each layer's hull, ascending, from its first row's place on. [rows], [layers] */
  readonly #hulls: Int32Array;
  readonly #hullSizes: Int32Array;
  /** Cost of a MiB saved from one row of a hull to its next. [rows] */
  readonly #slopes: Float64Array;
  /** [rows] */
  readonly #savedMb: Float64Array;
  #longestStartMs = Number.POSITIVE_INFINITY;

  constructor(terms: OptionTerms) {
    const { rows, demands } = terms.grid;
    this.#terms = terms;
    this.#costs = new Float64Array(rows.length);
    this.#options = new Int32Array(rows.length);
    this.#hulls = new Int32Array(rows.length);
    this.#hullSizes = new Int32Array(demands.length);
    this.#slopes = new Float64Array(rows.length);
    this.#savedMb = Float64Array.from(rows, ({ savedMb }) => savedMb);
  }

  /**
   * @returns the best bound found, then the one at the last prices if that is another: those keep the limits better.
   * None if not even everything remote saves enough memory
   */
  *solve(budget: Budget): Generator<void, readonly Relaxed[], void> {
    const free = { token: 0, ttft: 0 };
    this.#longestStartMs = budget.readyMs - leastPrefillMs(this.#terms);
    let best = this.#relax(budget, free);
    if (best === null) {
      this.#longestStartMs = Number.POSITIVE_INFINITY;
      best = this.#relax(budget, free);
    }
    if (best === null) return [];
    let last = best;
    for (let turn = 0; turn < TURNS; turn++) {
      const raised = yield* this.#raise(budget, last, turn % 2 === 0 ? "token" : "ttft");
      if (raised === last && turn > 0) break;
      last = raised;
      if (last.bound > best.bound) best = last;
    }
    return last === best ? [best] : [best, last];
  }

  /**
   * The price of one limit with the greatest bound, the other's price as it is. The bound is concave: next comes where
   * its tangents at two prices meet, of which only the lower one misses the limit (Handler and Zang 1980). Ends at a
   * price that keeps the limit: around what is chosen there, combinations within the budget are found.
   */
  *#raise(budget: Budget, from: Relaxed, limit: TimeLimit): Generator<void, Relaxed, void> {
    const priced = (price: number): Relaxed => this.#relax(budget, { ...from.multipliers, [limit]: price }) ?? from;
    const isLow = from.multipliers[limit] === 0 || excessOf(from, budget, limit) > 0;
    let low = isLow ? from : priced(0);
    if (excessOf(low, budget, limit) <= 0) return low;
    // Where time is free, any price will do to begin with.
    const prohibitive = PROHIBITIVE * ((limit === "token" ? budget.tokenPrice : budget.prefillPrice) || 1);
    let high = isLow ? priced(prohibitive) : from;
    if (excessOf(high, budget, limit) > 0) return high;
    for (let tangents = 0; tangents < TANGENTS; tangents++) {
      yield;
      const [lowMs, highMs] = [excessOf(low, budget, limit), excessOf(high, budget, limit)];
      const [lowPrice, highPrice] = [low.multipliers[limit], high.multipliers[limit]];
      const price = (high.bound - low.bound + lowMs * lowPrice - highMs * highPrice) / (lowMs - highMs);
      const tried = priced(price * ABOVE);
      const isBest = tried.bound >= (low.bound + lowMs * (price - lowPrice)) * (1 - TOLERANCE);
      if (excessOf(tried, budget, limit) > 0) low = tried;
      else high = tried;
      if (isBest && high === tried) break;
    }
    return high;
  }

  #relax(budget: Budget, prices: TimePrices): Relaxed | null {
    for (let layer = 0; layer < this.#hullSizes.length; layer++) {
      this.#priceLayer(layer, prices);
      this.#buildHull(layer);
    }
    const memory = this.#memoryPrice(budget.savedMb);
    if (memory === null) return null;
    return this.#choose(budget, { ...prices, memory });
  }

  /** min over columns of cost + λ_token GT^e + λ_ttft PT^e, of each row. */
  #priceLayer(layer: number, { token, ttft }: TimePrices): void {
    const { grid, cost, tokenMs, ttftMs } = this.#terms;
    const { longestStartMs, firstRows } = grid;
    const columns = grid.columns.length;
    const end = firstRows[layer + 1] as number;
    for (let row = firstRows[layer] as number; row < end; row++) {
      let least = Number.POSITIVE_INFINITY;
      for (let at = row * columns; at < (row + 1) * columns; at++) {
        const own = (cost[at] as number) + token * (tokenMs[at] as number) + ttft * (ttftMs[at] as number);
        if (own >= least || (longestStartMs[at] as number) > this.#longestStartMs) continue;
        least = own;
        this.#options[row] = at;
      }
      this.#costs[row] = least;
    }
  }

  /** Lower convex hull of (saved, cost), from the cheapest row on. */
  #buildHull(layer: number): void {
    const { firstRows } = this.#terms.grid;
    const first = firstRows[layer] as number;
    const end = firstRows[layer + 1] as number;
    let size = 0;
    for (let row = first; row < end; row++) {
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

  /**
   * The price at which the layers save just enough: the slope of the edge where their hulls' sum passes what is needed,
   * between two of its corners that are drawn together.
   */
  #memoryPrice(neededMb: number): number | null {
    let low = this.#cornerAt(0);
    if (low.savedMb >= neededMb) return 0;
    let high = this.#cornerAt(Number.POSITIVE_INFINITY);
    if (high.savedMb < neededMb) return null;
    for (;;) {
      const price = (high.cost - low.cost) / (high.savedMb - low.savedMb);
      const corner = this.#cornerAt(price);
      // At prohibitive prices rounding may lead to a corner beyond the two.
      if (corner.savedMb <= low.savedMb || corner.savedMb >= high.savedMb) return price;
      if (corner.savedMb < neededMb) low = corner;
      else high = corner;
    }
  }

  #cornerAt(price: number): { readonly savedMb: number; readonly cost: number } {
    let [savedMb, cost] = [0, 0];
    for (let layer = 0; layer < this.#hullSizes.length; layer++) {
      const row = this.#rowAt(layer, price);
      savedMb += this.#savedMb[row] as number;
      cost += this.#costs[row] as number;
    }
    return { savedMb, cost };
  }

  /** The row a layer chooses when a saved MiB is worth so much. */
  #rowAt(layer: number, price: number): number {
    const first = this.#terms.grid.firstRows[layer] as number;
    const last = first + (this.#hullSizes[layer] as number) - 1;
    let at = first;
    while (at < last && (this.#slopes[at] as number) <= price) at++;
    return this.#hulls[at] as number;
  }

  #choose(budget: Budget, multipliers: Multipliers): Relaxed {
    const terms = this.#terms;
    const options: number[] = [];
    let [bound, tokenMs, ttftMs] = [budget.baseCost + multipliers.memory * budget.savedMb, 0, 0];
    for (let layer = 0; layer < this.#hullSizes.length; layer++) {
      const row = this.#rowAt(layer, multipliers.memory);
      const at = this.#options[row] as number;
      options.push(at);
      bound += (this.#costs[row] as number) - multipliers.memory * (this.#savedMb[row] as number);
      tokenMs += terms.tokenMs[at] as number;
      ttftMs += terms.ttftMs[at] as number;
    }
    // An objective that is not there has no price: 0 · Infinity is not a number.
    if (multipliers.token > 0) bound -= multipliers.token * budget.tokenMs;
    if (multipliers.ttft > 0) bound -= multipliers.ttft * budget.ttftMs;
    return { multipliers, bound, longestStartMs: this.#longestStartMs, tokenMs, ttftMs, options };
  }
}

/** How far a limit is missed. */
function excessOf({ tokenMs, ttftMs }: Relaxed, budget: Budget, limit: TimeLimit): number {
  return limit === "token" ? tokenMs - budget.tokenMs : ttftMs - budget.ttftMs;
}

/** What the layers take in prefill at least; 0 when warm, where no start has to fit beside it. */
function leastPrefillMs({ grid, prefillMs }: OptionTerms): number {
  if (!grid.problem.isCold) return 0;
  return grid.demands.reduce((sum, _, layer) => {
    let least = Number.POSITIVE_INFINITY;
    for (let at = grid.firstOf(layer); at < grid.firstOf(layer + 1); at++) {
      if ((grid.cost[at] as number) < Number.POSITIVE_INFINITY) least = Math.min(least, prefillMs[at] as number);
    }
    return sum + least;
  }, 0);
}
