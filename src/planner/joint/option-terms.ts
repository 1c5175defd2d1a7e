import { type ExpertSpeed, localDecodeMs, prefillBusyMs, sideBySideMs } from "../layer-time.ts";
import type { Budget } from "./budget.ts";
import type { MainFunction } from "./main-function.ts";
import type { ColumnRange, GridRow, OptionGrid } from "./option-grid.ts";

/** What a grid's options add to the sums of a plan, beside one main function. */
export class OptionTerms {
  readonly grid: OptionGrid;
  /** Of C^loc and C^rem; Infinity of an option that cannot be. [rows × columns] */
  readonly cost: Float64Array;
  /** GT^e of one token. [rows × columns] */
  readonly tokenMs: Float64Array;
  /** PT^e [rows × columns] */
  readonly prefillMs: Float64Array;
  /** PT^e and its share of T^cold, as the budget's TTFT counts it. [rows × columns] */
  readonly ttftMs: Float64Array;

  constructor(grid: OptionGrid) {
    const size = grid.cost.length;
    this.grid = grid;
    this.cost = new Float64Array(size);
    this.tokenMs = new Float64Array(size);
    this.prefillMs = new Float64Array(size);
    this.ttftMs = new Float64Array(size);
  }

  /** Replaces what another main function left, in some columns; layer by layer. */
  *fill({ local }: MainFunction, budget: Budget, columns: ColumnRange): Generator<void, void, void> {
    const rowsMs = this.#rowsMs(local);
    const { firstRows, demands } = this.grid;
    for (const layer of demands.keys()) {
      const end = firstRows[layer + 1] as number;
      for (let row = firstRows[layer] as number; row < end; row++) {
        this.#fillDecode(row, rowsMs, columns);
        this.#fillRow(row, { localMs: this.#prefillMs(row, local), budget, columns });
      }
      yield;
    }
  }

  /** GT^e of a token with j rows remote. [k + 1 × columns] */
  #rowsMs(local: ExpertSpeed): Float64Array {
    const { decodeMs, columns, problem } = this.grid;
    const k = problem.sizes.expertsPerToken;
    const { contention } = problem.profile;
    const rowsMs = new Float64Array(decodeMs.length);
    for (let j = 0; j <= k; j++) {
      const localMs = localDecodeMs(k - j, local);
      for (let at = j * columns.length; at < (j + 1) * columns.length; at++) {
        rowsMs[at] = sideBySideMs(localMs, decodeMs[at] as number, contention.decode);
      }
    }
    return rowsMs;
  }

  #prefillMs(row: number, local: ExpertSpeed): number {
    return prefillBusyMs((this.grid.rows[row] as GridRow).local, local);
  }

  /** Σ_j P(j) rowsMs(j) */
  #fillDecode(row: number, rowsMs: Float64Array, { from, end }: ColumnRange): void {
    const { tokenMs, grid } = this;
    const { shares } = grid;
    const columns = grid.columns.length;
    const width = grid.problem.sizes.expertsPerToken + 1;
    const first = row * columns;
    tokenMs.fill(0, first + from, first + end);
    for (let j = 0; j < width; j++) {
      const share = shares[row * width + j] as number;
      if (share === 0) continue;
      for (let c = from; c < end; c++) {
        tokenMs[first + c] = (tokenMs[first + c] as number) + share * (rowsMs[j * columns + c] as number);
      }
    }
  }

  #fillRow(row: number, { localMs, budget, columns }: RowFill): void {
    const { grid, cost, tokenMs, prefillMs, ttftMs } = this;
    const { savedMb } = grid.rows[row] as GridRow;
    const { contention } = grid.problem.profile;
    const sparedCost = budget.savedPrice * savedMb;
    const sparedMs = budget.savedStartMs * savedMb;
    const first = row * grid.columns.length;
    for (let at = first + columns.from; at < first + columns.end; at++) {
      const prefill = sideBySideMs(localMs, grid.waitMs[at] as number, contention.prefill);
      prefillMs[at] = prefill;
      ttftMs[at] = prefill + budget.startShare * (grid.startMs[at] as number) - sparedMs;
      cost[at] =
        (grid.cost[at] as number) +
        budget.tokenPrice * (tokenMs[at] as number) +
        budget.prefillPrice * prefill -
        sparedCost;
    }
  }
}

interface RowFill {
  /** Prefill of the local experts. */
  readonly localMs: number;
  readonly budget: Budget;
  readonly columns: ColumnRange;
}
