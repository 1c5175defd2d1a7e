import { splitDevices } from "../evaluate.ts";
import { isIdleBilled } from "../rates.ts";
import { type Budget, budgetOf } from "./budget.ts";
import { type Combination, type CombineInput, combine } from "./combine.ts";
import { mainFunction } from "./main-function.ts";
import type { ColumnRange, OptionGrid, PricedColumn } from "./option-grid.ts";
import { OptionTerms } from "./option-terms.ts";
import { Relaxation, type Relaxed, type TimePrices } from "./relaxation.ts";

/** A main function and some columns of a grid. */
export type Pairing = Pick<RelaxedMain, "memoryMb" | "columns">;

/** What one main function may cost at least, and at which prices of what layers share. */
export interface RelaxedMain {
  readonly memoryMb: number;
  /** Of the expert functions. */
  readonly columns: ColumnRange;
  readonly budget: Budget;
  readonly relaxed: Relaxed;
  /** At prices that keep the limits better, where those are others. */
  readonly kept: Relaxed | null;
}

const FREE: TimePrices = { token: 0, ttft: 0 };

/** Looks for the best options of a grid beside one main function after the other. */
export class GridSearch {
  readonly grid: OptionGrid;
  readonly #terms: OptionTerms;
  readonly #relaxation: Relaxation;
  /** Of the main function that kept the limits last: the next one's are alike. */
  #prices: TimePrices = FREE;

  constructor(grid: OptionGrid) {
    this.grid = grid;
    this.#terms = new OptionTerms(grid);
    this.#relaxation = new Relaxation(this.#terms);
  }

  /**
   * @param below what costs as much is of no interest
   * @returns `null` where what has to stay local does not fit, or costs as much without any experts
   */
  *relax({ memoryMb, columns }: Pairing, below: number): Generator<void, RelaxedMain | null, void> {
    const { problem } = this.grid;
    const { profile, prices } = problem;
    const main = mainFunction(problem, { memoryMb, devices: splitDevices(profile), times: profile.split });
    const held = isIdleBilled(prices) ? (this.grid.columns[columns.from] as PricedColumn) : null;
    const budget = budgetOf(problem, main, held);
    if (budget.baseCost >= below) return null;
    yield* this.#terms.fill(main, budget, columns);
    const [relaxed, kept = null] = yield* this.#relaxation.solve(budget, {
      columns,
      start: this.#prices,
      enough: below,
    });
    if (relaxed === undefined) return null;
    const { multipliers, tokenMs, ttftMs } = kept ?? relaxed;
    // Where no price keeps the limits, prices grow beyond what is of use elsewhere.
    if (tokenMs <= budget.tokenMs && ttftMs <= budget.ttftMs) this.#prices = multipliers;
    return { memoryMb, columns, budget, relaxed, kept };
  }

  /** Of the main function relaxed last. */
  *combine(
    { budget, relaxed }: Pick<RelaxedMain, "budget" | "relaxed">,
    search: Pick<CombineInput, "below" | "beam">,
  ): Generator<void, Combination[], void> {
    return yield* combine({ terms: this.#terms, budget, relaxed, ...search });
  }
}
