import { splitDevices } from "../evaluate.ts";
import { type Budget, budgetOf } from "./budget.ts";
import { type Combination, type CombineInput, combine } from "./combine.ts";
import { mainFunction } from "./main-function.ts";
import type { OptionGrid } from "./option-grid.ts";
import { OptionTerms } from "./option-terms.ts";
import { Relaxation, type Relaxed } from "./relaxation.ts";

/** What one main function may cost at least, and at which prices of what layers share. */
export interface RelaxedMain {
  readonly memoryMb: number;
  readonly budget: Budget;
  readonly relaxed: Relaxed;
  /** At prices that keep the limits better, where those are others. */
  readonly kept: Relaxed | null;
}

/** Looks for the best options of a grid beside one main function after the other. */
export class GridSearch {
  readonly grid: OptionGrid;
  readonly #terms: OptionTerms;
  readonly #relaxation: Relaxation;

  constructor(grid: OptionGrid) {
    this.grid = grid;
    this.#terms = new OptionTerms(grid);
    this.#relaxation = new Relaxation(this.#terms);
  }

  /** @returns `null` where what has to stay local does not fit */
  *relax(memoryMb: number): Generator<void, RelaxedMain | null, void> {
    const { problem } = this.grid;
    const { profile } = problem;
    const main = mainFunction(problem, { memoryMb, devices: splitDevices(profile), times: profile.split });
    const budget = budgetOf(problem, main);
    yield* this.#terms.fill(main, budget);
    const [relaxed, kept = null] = yield* this.#relaxation.solve(budget);
    return relaxed === undefined ? null : { memoryMb, budget, relaxed, kept };
  }

  /** Of the main function relaxed last. */
  *combine(
    { budget, relaxed }: Pick<RelaxedMain, "budget" | "relaxed">,
    search: Pick<CombineInput, "below" | "beam">,
  ): Generator<void, Combination[], void> {
    return yield* combine({ terms: this.#terms, budget, relaxed, ...search });
  }
}
