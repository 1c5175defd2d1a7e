import type { Budget } from "./budget.ts";
import type { ColumnRange } from "./option-grid.ts";
import type { OptionTerms } from "./option-terms.ts";

/**
 * What exceeding a limit costs: a millisecond of a token, a millisecond until the first token, a MiB not saved, a MiB too
 * much elsewhere. One of the last two is 0.
 */
export interface Multipliers {
  readonly token: number;
  readonly ttft: number;
  readonly memory: number;
  readonly room: number;
}

/** The Lagrangian dual at some multipliers, and what the layers choose there. */
export interface Relaxed {
  readonly multipliers: Multipliers;
  /** No choice within the budget costs less. */
  readonly bound: number;
  /** Options whose start takes longer are of no use. */
  readonly longestStartMs: number;
  readonly columns: ColumnRange;
  /** In the budget's terms. */
  readonly tokenMs: number;
  readonly ttftMs: number;
  /** Each layer's choice. [layers] */
  readonly options: readonly number[];
  /** The same, or where that leaves every expert local, what they would choose first: a main function may need that. */
  readonly remoteOptions: readonly number[];
}

type TimeLimit = "token" | "ttft";
export type TimePrices = Pick<Multipliers, TimeLimit>;

/** To begin with where nothing is known. */
export const FREE: TimePrices = { token: 0, ttft: 0 };
/** A price, in times the price of that time itself, that leaves little but how to keep a limit. */
const PROHIBITIVE = 1e6;
const TANGENTS = 8;
/** A little above the best price limits hold, a little below they do not. */
const ABOVE = 1 + 1e-4;
/** Each of the two limits' turn, three times. */
const TURNS = 6;
/** Bounds this much apart count as equal. */
const TOLERANCE = 1e-4;

export interface SolveOptions {
  readonly columns: ColumnRange;
  /** Prices to begin with: near the best ones there is less to do. */
  readonly start: TimePrices;
  /** A bound as high as that need not be raised any more. */
  readonly enough: number;
}

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
  /** Of all layers. */
  readonly #expertsMb: number;
  /** What the hulls are over: MiB saved, or held elsewhere. [rows] */
  #mb: Float64Array;
  #longestStartMs = Number.POSITIVE_INFINITY;
  #columns: ColumnRange = { from: 0, end: 0 };
  #enough = Number.POSITIVE_INFINITY;

  constructor(terms: OptionTerms) {
    const { rows, demands } = terms.grid;
    this.#terms = terms;
    this.#costs = new Float64Array(rows.length);
    this.#options = new Int32Array(rows.length);
    this.#hulls = new Int32Array(rows.length);
    this.#hullSizes = new Int32Array(demands.length);
    this.#slopes = new Float64Array(rows.length);
    this.#savedMb = Float64Array.from(rows, ({ savedMb }) => savedMb);
    this.#mb = this.#savedMb;
    this.#expertsMb = demands.reduce(
      (sum, _, layer) => sum + (this.#savedMb[(terms.grid.firstRows[layer + 1] as number) - 1] as number),
      0,
    );
  }

  /**
   * @returns the best bound found, then the one at the last prices if that is another: those keep the limits better.
   * None if not even everything remote saves enough memory
   */
  *solve(budget: Budget, { columns, start, enough }: SolveOptions): Generator<void, readonly Relaxed[], void> {
    this.#columns = columns;
    this.#enough = enough;
    this.#longestStartMs = budget.readyMs - leastPrefillMs(this.#terms, columns);
    let best = this.#relax(budget, start);
    if (best === null) {
      this.#longestStartMs = Number.POSITIVE_INFINITY;
      best = this.#relax(budget, start);
    }
    if (best === null) return [];
    const found = yield* this.#raiseBoth(budget, best);
    // Prices that are far too high lead to a bound that tells less than no prices do.
    const leastCost = budget.baseCost - budget.savedPrice * this.#expertsMb;
    if ((found[0] as Relaxed).bound >= leastCost || isFree(start)) return found;
    return yield* this.#raiseBoth(budget, this.#relax(budget, FREE) ?? best);
  }

  /** In turn. */
  *#raiseBoth(budget: Budget, from: Relaxed): Generator<void, readonly Relaxed[], void> {
    let [best, last] = [from, from];
    for (let turn = 0; turn < TURNS && best.bound < this.#enough; turn++) {
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
    const isMissed = (relaxed: Relaxed): boolean => excessOf(relaxed, budget, limit) > 0;
    let [low, high] = this.#bracket(budget, from, limit);
    if (!isMissed(low)) return low;
    for (let tangents = 0; tangents < TANGENTS && !isMissed(high); tangents++) {
      yield;
      const [lowMs, highMs] = [excessOf(low, budget, limit), excessOf(high, budget, limit)];
      const [lowPrice, highPrice] = [low.multipliers[limit], high.multipliers[limit]];
      const price = (high.bound - low.bound + lowMs * lowPrice - highMs * highPrice) / (lowMs - highMs);
      const tried = priced(price * ABOVE);
      if (tried.bound >= this.#enough) return tried;
      const isBest = tried.bound >= (low.bound + lowMs * (price - lowPrice)) * (1 - TOLERANCE);
      if (isMissed(tried)) low = tried;
      else high = tried;
      if (isBest && high === tried) break;
    }
    return high;
  }

  /** At a price that misses a limit, and at one that keeps it; both the same kind where there is no other. */
  #bracket(budget: Budget, from: Relaxed, limit: TimeLimit): [low: Relaxed, high: Relaxed] {
    const own = from.multipliers[limit];
    const priced = (price: number): Relaxed => this.#relax(budget, { ...from.multipliers, [limit]: price }) ?? from;
    const isMissed = (relaxed: Relaxed): boolean => excessOf(relaxed, budget, limit) > 0;
    let [low, high] = [from, from];
    for (const price of [2 * own, prohibitivePrice(budget, limit)]) {
      if (isMissed(high) && price > 0) [low, high] = [high, priced(price)];
    }
    for (const price of [own / 2, 0]) {
      if (!isMissed(low) && price < low.multipliers[limit]) [low, high] = [priced(price), low];
    }
    return [low, high];
  }

  #relax(budget: Budget, prices: TimePrices): Relaxed | null {
    for (let layer = 0; layer < this.#hullSizes.length; layer++) this.#priceLayer(layer, prices);
    this.#buildHulls(this.#savedMb);
    const free = this.#cornerAt(0);
    if (this.#heldMb(0) > budget.roomMb) return this.#chooseWithin(budget, prices);
    if (free.mb >= budget.savedMb) return this.#choose(budget, { ...prices, memory: 0, room: 0 });
    const most = this.#cornerAt(Number.POSITIVE_INFINITY);
    if (most.mb < budget.savedMb) return null;
    const memory = this.#priceBetween(free, most, budget.savedMb);
    return this.#choose(budget, { ...prices, memory, room: 0 });
  }

  /** Of what there is room for: what experts take up elsewhere has a price. */
  #chooseWithin(budget: Budget, prices: TimePrices): Relaxed {
    const heldMb = Float64Array.from(this.#options, (at) => this.#terms.grid.heldMb[at] as number);
    this.#buildHulls(heldMb);
    const [least, free] = [this.#cornerAt(Number.NEGATIVE_INFINITY), this.#cornerAt(0)];
    return this.#choose(budget, { ...prices, memory: 0, room: -this.#priceBetween(least, free, budget.roomMb) });
  }

  /** min over columns of cost + λ_token GT^e + λ_ttft PT^e, of each row. */
  #priceLayer(layer: number, { token, ttft }: TimePrices): void {
    const { grid, cost, tokenMs, ttftMs } = this.#terms;
    const { longestStartMs, firstRows } = grid;
    const { from, end } = this.#columns;
    for (let row = firstRows[layer] as number; row < (firstRows[layer + 1] as number); row++) {
      const first = row * grid.columns.length;
      let least = Number.POSITIVE_INFINITY;
      for (let at = first + from; at < first + end; at++) {
        const own = (cost[at] as number) + token * (tokenMs[at] as number) + ttft * (ttftMs[at] as number);
        if (own >= least || (longestStartMs[at] as number) > this.#longestStartMs) continue;
        least = own;
        this.#options[row] = at;
      }
      this.#costs[row] = least;
    }
  }

  /** Lower convex hulls of (mb, cost). [rows] */
  #buildHulls(mb: Float64Array): void {
    this.#mb = mb;
    for (let layer = 0; layer < this.#hullSizes.length; layer++) this.#buildHull(layer);
  }

  #buildHull(layer: number): void {
    const { firstRows } = this.#terms.grid;
    const first = firstRows[layer] as number;
    const end = firstRows[layer + 1] as number;
    let size = 0;
    for (let row = first; row < end; row++) {
      if (this.#costs[row] === Number.POSITIVE_INFINITY) continue;
      while (size > 1 && this.#isAbove(first, size, row)) size--;
      if (size > 0) this.#slopes[first + size - 1] = this.#slope(this.#hulls[first + size - 1] as number, row);
      this.#hulls[first + size++] = row;
    }
    this.#hullSizes[layer] = size;
  }

  /** Whether the hull's last row is no more needed with one further on. */
  #isAbove(first: number, size: number, row: number): boolean {
    const last = this.#hulls[first + size - 1] as number;
    return this.#slope(last, row) <= (this.#slopes[first + size - 2] as number);
  }

  /** Cost of a MiB between two rows of a layer. */
  #slope(from: number, to: number): number {
    const mb = (this.#mb[to] as number) - (this.#mb[from] as number);
    return ((this.#costs[to] as number) - (this.#costs[from] as number)) / mb;
  }

  /**
   * The price at which the layers have just so much: the slope of the edge where their hulls' sum passes it, between two
   * of its corners that are drawn together.
   */
  #priceBetween(low: Corner, high: Corner, neededMb: number): number {
    for (;;) {
      const price = (high.cost - low.cost) / (high.mb - low.mb);
      const corner = this.#cornerAt(price);
      // At prohibitive prices rounding may lead to a corner beyond the two.
      if (corner.mb <= low.mb || corner.mb >= high.mb) return price;
      if (corner.mb < neededMb) low = corner;
      else high = corner;
    }
  }

  #cornerAt(price: number): Corner {
    let [mb, cost] = [0, 0];
    for (let layer = 0; layer < this.#hullSizes.length; layer++) {
      const row = this.#rowAt(layer, price);
      mb += this.#mb[row] as number;
      cost += this.#costs[row] as number;
    }
    return { mb, cost };
  }

  /** What the layers' choices take up elsewhere. */
  #heldMb(price: number): number {
    let heldMb = 0;
    for (let layer = 0; layer < this.#hullSizes.length; layer++) {
      heldMb += this.#terms.grid.heldMb[this.#options[this.#rowAt(layer, price)] as number] as number;
    }
    return heldMb;
  }

  /** The row a layer chooses when a MiB is worth so much. */
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
    const { memory, room } = multipliers;
    const price = memory - room;
    const neededMb = room > 0 ? budget.roomMb : budget.savedMb;
    let isAllLocal = true;
    let [bound, tokenMs, ttftMs] = [budget.baseCost + price * neededMb, 0, 0];
    for (let layer = 0; layer < this.#hullSizes.length; layer++) {
      const row = this.#rowAt(layer, price);
      const at = this.#options[row] as number;
      options.push(at);
      isAllLocal &&= row === (terms.grid.firstRows[layer] as number);
      bound += (this.#costs[row] as number) - price * (this.#mb[row] as number);
      tokenMs += terms.tokenMs[at] as number;
      ttftMs += terms.ttftMs[at] as number;
    }
    // An objective that is not there has no price: 0 · Infinity is not a number.
    if (multipliers.token > 0) bound -= multipliers.token * budget.tokenMs;
    if (multipliers.ttft > 0) bound -= multipliers.ttft * budget.ttftMs;
    const { longestStartMs, columns } = { longestStartMs: this.#longestStartMs, columns: this.#columns };
    const remoteOptions = isAllLocal ? this.#optionsAt(price + Math.abs(price) * TOLERANCE) : options;
    return { multipliers, bound, longestStartMs, columns, tokenMs, ttftMs, options, remoteOptions };
  }

  #optionsAt(price: number): number[] {
    return Array.from(this.#hullSizes, (_, layer) => this.#options[this.#rowAt(layer, price)] as number);
  }
}

function isFree({ token, ttft }: TimePrices): boolean {
  return token === 0 && ttft === 0;
}

/** Where the sum of all layers' hulls has an edge of some price's slope. */
interface Corner {
  readonly mb: number;
  readonly cost: number;
}

function prohibitivePrice({ tokenPrice, prefillPrice }: Budget, limit: TimeLimit): number {
  // Where time is free, any price will do to begin with.
  return PROHIBITIVE * ((limit === "token" ? tokenPrice : prefillPrice) || 1);
}

/** How far a limit is missed. */
function excessOf({ tokenMs, ttftMs }: Relaxed, budget: Budget, limit: TimeLimit): number {
  return limit === "token" ? tokenMs - budget.tokenMs : ttftMs - budget.ttftMs;
}

/** What the layers take in prefill at least; 0 when warm, where no start has to fit beside it. */
function leastPrefillMs({ grid, prefillMs }: OptionTerms, { from, end }: ColumnRange): number {
  if (!grid.problem.isCold) return 0;
  return grid.demands.reduce((sum, _, layer) => {
    let least = Number.POSITIVE_INFINITY;
    for (let first = grid.firstOf(layer); first < grid.firstOf(layer + 1); first += grid.columns.length) {
      for (let at = first + from; at < first + end; at++) {
        if ((grid.cost[at] as number) < Number.POSITIVE_INFINITY) least = Math.min(least, prefillMs[at] as number);
      }
    }
    return sum + least;
  }, 0);
}
