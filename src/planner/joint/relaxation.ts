import type { Budget } from "./budget.ts";
import type { ColumnRange } from "./option-grid.ts";
import type { OptionTerms } from "./option-terms.ts";
import type { TimePrices } from "./tangent-planes.ts";

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
  /** How the bound rises with the prices of time. */
  readonly slope: TimePrices;
  /** Each layer's choice. [layers] */
  readonly options: readonly number[];
  /** The same, or where that leaves every expert local, what they would choose first: a main function may need that. */
  readonly remoteOptions: readonly number[];
}

/** By how much a price of memory is another than one beside it, in spite of rounding; and by how much a higher one. */
const BESIDE = 1e-9;
const HIGHER = 1e-4;

/** The bound at some prices; `null` if not even everything remote saves enough memory. */
export type BoundAt = (prices: TimePrices) => Relaxed | null;

/**
 * Lagrangian relaxation of what goes with one main function: with a price on each shared limit, every layer chooses for
 * itself. At given prices of time the best price of memory comes from the lower convex hulls of the layers' costs over
 * what they save. At any prices it is a lower bound.
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
  /** [rows], [rows] */
  readonly #savedMb: Float64Array;
  readonly #heldMb: Float64Array;
  /** What the hulls are over: MiB saved, or held elsewhere. [rows] */
  #mb: Float64Array;
  #columns: ColumnRange = { from: 0, end: 0 };
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
    this.#heldMb = new Float64Array(rows.length);
    this.#mb = this.#savedMb;
  }

  /** Of the main function that the terms are filled for. */
  open(budget: Budget, columns: ColumnRange): BoundAt {
    this.#columns = columns;
    this.#longestStartMs = budget.readyMs - leastPrefillMs(this.#terms, columns);
    return (prices) => this.#relax(budget, prices) ?? this.#relaxLate(budget, prices);
  }

  /** What misses the first token's objective by the least is of use too. */
  #relaxLate(budget: Budget, prices: TimePrices): Relaxed | null {
    if (this.#longestStartMs === Number.POSITIVE_INFINITY) return null;
    this.#longestStartMs = Number.POSITIVE_INFINITY;
    return this.#relax(budget, prices);
  }

  #relax(budget: Budget, prices: TimePrices): Relaxed | null {
    const { savedMb, roomMb } = budget;
    for (let layer = 0; layer < this.#hullSizes.length; layer++) this.#priceLayer(layer, prices);
    this.#buildHulls(this.#savedMb);
    const free = this.#cornerAt(0);
    if (roomMb < Number.POSITIVE_INFINITY && this.#heldAt(0) > roomMb) return this.#chooseWithin(budget, prices);
    if (free.mb >= savedMb) return this.#choose(budget, { ...prices, memory: 0, room: 0 });
    const most = this.#cornerAt(Number.POSITIVE_INFINITY);
    if (most.mb < savedMb) return null;
    return this.#choose(budget, { ...prices, memory: this.#priceBetween(free, most, savedMb), room: 0 });
  }

  /** Of what there is room for: what experts take up elsewhere has a price. */
  #chooseWithin(budget: Budget, prices: TimePrices): Relaxed {
    const { heldMb } = this.#terms.grid;
    for (let row = 0; row < this.#options.length; row++)
      this.#heldMb[row] = heldMb[this.#options[row] as number] as number;
    this.#buildHulls(this.#heldMb);
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
  #heldAt(price: number): number {
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
    const { memory, room } = multipliers;
    const price = memory - room;
    const neededMb = room > 0 ? budget.roomMb : budget.savedMb;
    const chosen = this.#sumAt(price);
    let bound = budget.baseCost + price * neededMb + chosen.cost - price * chosen.mb;
    // An objective that is not there has no price: 0 · Infinity is not a number.
    if (multipliers.token > 0) bound -= multipliers.token * budget.tokenMs;
    if (multipliers.ttft > 0) bound -= multipliers.ttft * budget.ttftMs;
    const options = this.#optionsAt(price);
    const isAllLocal = options.every(
      (option, layer) => option < this.#terms.grid.firstOf(layer) + this.#terms.grid.columns.length,
    );
    return {
      multipliers,
      bound,
      longestStartMs: this.#longestStartMs,
      columns: this.#columns,
      tokenMs: chosen.tokenMs,
      ttftMs: chosen.ttftMs,
      slope: slopeOf(price === 0 ? chosen : this.#mixAround(price, neededMb), budget),
      options,
      remoteOptions: isAllLocal ? this.#optionsAt(price + Math.abs(price) * HIGHER) : options,
    };
  }

  /** Of what is chosen on either side of a price, as much as has just so much memory: the bound's slope is theirs. */
  #mixAround(price: number, neededMb: number): Times {
    const beside = BESIDE * Math.abs(price);
    const [below, above] = [this.#sumAt(price - beside), this.#sumAt(price + beside)];
    if (below.mb >= above.mb) return above;
    const share = Math.min(1, Math.max(0, (neededMb - below.mb) / (above.mb - below.mb)));
    const mix = (own: keyof Times): number => share * above[own] + (1 - share) * below[own];
    return { tokenMs: mix("tokenMs"), ttftMs: mix("ttftMs") };
  }

  /** Of the layers' choices when a MiB is worth so much. */
  #sumAt(price: number): Sum {
    const { tokenMs, ttftMs } = this.#terms;
    const sum = { mb: 0, cost: 0, tokenMs: 0, ttftMs: 0 };
    for (let layer = 0; layer < this.#hullSizes.length; layer++) {
      const row = this.#rowAt(layer, price);
      const option = this.#options[row] as number;
      sum.mb += this.#mb[row] as number;
      sum.cost += this.#costs[row] as number;
      sum.tokenMs += tokenMs[option] as number;
      sum.ttftMs += ttftMs[option] as number;
    }
    return sum;
  }

  #optionsAt(price: number): number[] {
    return Array.from(this.#hullSizes, (_, layer) => this.#options[this.#rowAt(layer, price)] as number);
  }
}

/** Of one choice of every layer, in the budget's terms. */
interface Times {
  readonly tokenMs: number;
  readonly ttftMs: number;
}

interface Sum extends Times, Corner {}

/** Where the sum of all layers' hulls has an edge of some price's slope. */
interface Corner {
  readonly mb: number;
  readonly cost: number;
}

/** How far limits are missed. */
function slopeOf({ tokenMs, ttftMs }: Times, budget: Budget): TimePrices {
  return {
    token: budget.tokenMs === Number.POSITIVE_INFINITY ? 0 : tokenMs - budget.tokenMs,
    ttft: budget.ttftMs === Number.POSITIVE_INFINITY ? 0 : ttftMs - budget.ttftMs,
  };
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
