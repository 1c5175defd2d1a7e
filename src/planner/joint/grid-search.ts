import { splitDevices } from "../evaluate.ts";
import { isIdleBilled } from "../rates.ts";
import { type Budget, budgetOf } from "./budget.ts";
import { type Combination, type CombineInput, combine } from "./combine.ts";
import { type MainFunction, mainFunction } from "./main-function.ts";
import type { ColumnRange, OptionGrid, PricedColumn } from "./option-grid.ts";
import { OptionTerms } from "./option-terms.ts";
import { FREE, raiseBound } from "./raise-bound.ts";
import { Relaxation, type Relaxed } from "./relaxation.ts";
import type { TimePrices } from "./tangent-planes.ts";

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
  /** Whether the options of the relaxation do, at the last prices. */
  readonly keepsLimits: boolean;
  /** Whether anything may keep the limits: else the bound is above what the dearest options cost. */
  readonly isWithinReach: boolean;
}

/** Bounds at prohibitive prices are differences of large numbers. */
const ROUNDING = 1 + 1e-6;

/** How far combinations are looked for. */
export type SearchLimits = Pick<CombineInput, "below" | "beam">;

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

  /** What nothing beside a main function costs less than. */
  leastCost(pairing: Pairing): number {
    return this.#open(pairing).budget.leastCost;
  }

  /**
   * @param below what costs as much is of no interest
   * @returns `null` where what has to stay local does not fit, or costs as much without any experts
   */
  *relax({ memoryMb, columns }: Pairing, below: number): Generator<void, RelaxedMain | null, void> {
    const { main, budget } = this.#open({ memoryMb, columns });
    if (budget.leastCost >= below) return null;
    return yield* this.#relax(main, { budget, columns }, below);
  }

  /**
   * Whether any main function may keep the limits: if so, the largest does, which is the fastest, with everything remote
   * in functions of its own.
   */
  *mayKeepLimits(): Generator<void, boolean, void> {
    const { problem, columns } = this.grid;
    if (problem.slo.ttftMs === null && problem.slo.tpotMs === null) return true;
    const main = this.#mainOf(problem.specs.main.at(-1) ?? 0);
    const all = { budget: budgetOf(problem, main), columns: { from: 0, end: columns.length } };
    const relaxed = yield* this.#relax(main, all, Number.POSITIVE_INFINITY);
    return relaxed?.isWithinReach === true;
  }

  *#relax(
    main: MainFunction,
    { budget, columns }: Pick<RelaxedMain, "budget" | "columns">,
    below: number,
  ): Generator<void, RelaxedMain | null, void> {
    this.#terms.fill(main, budget, columns);
    yield;
    const boundAt = this.#relaxation.open(budget, columns);
    const [relaxed, kept = null] = yield* raiseBound(boundAt, budget, { start: this.#prices, enough: below });
    if (relaxed === undefined) return null;
    const { tokenMs, ttftMs } = kept ?? relaxed;
    const keepsLimits = tokenMs <= budget.tokenMs && ttftMs <= budget.ttftMs;
    const isWithinReach = relaxed.bound <= (budget.baseCost + this.#terms.dearest(columns)) * ROUNDING;
    // Where no price keeps the limits, prices grow beyond what is of use elsewhere.
    if (isWithinReach) this.#prices = relaxed.multipliers;
    return { memoryMb: main.memoryMb, columns, budget, relaxed, kept, keepsLimits, isWithinReach };
  }

  #open({ memoryMb, columns }: Pairing): { readonly main: MainFunction; readonly budget: Budget } {
    const { problem } = this.grid;
    const main = this.#mainOf(memoryMb);
    const held = isIdleBilled(problem.prices) ? (this.grid.columns[columns.from] as PricedColumn) : null;
    return { main, budget: budgetOf(problem, main, held) };
  }

  #mainOf(memoryMb: number): MainFunction {
    const { problem } = this.grid;
    const { profile } = problem;
    return mainFunction(problem, { memoryMb, devices: splitDevices(profile), times: profile.split });
  }

  /** Of the main function relaxed last. */
  *combine(
    { budget, relaxed }: Pick<RelaxedMain, "budget" | "relaxed">,
    limits: SearchLimits,
  ): Generator<void, Combination[], void> {
    return yield* combine({ terms: this.#terms, budget, relaxed, ...limits });
  }
}
