import { type ExpertSpeed, prefillBusyMs } from "../layer-time.ts";
import type { Budget } from "./budget.ts";
import type { MainFunction } from "./main-function.ts";
import { decodeByRows, type GridRow, type OptionGrid } from "./option-grid.ts";

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

  /** Replaces what another main function left; layer by layer. */
  *fill({ local }: MainFunction, budget: Budget): Generator<void, void, void> {
    const rowsMs = Float64Array.from(
      decodeByRows(this.grid, ({ hardware }) => ({ ...hardware, local })),
      ({ ms }) => ms,
    );
    const { firstRows, demands } = this.grid;
    for (const layer of demands.keys()) {
      const end = firstRows[layer + 1] as number;
      for (let row = firstRows[layer] as number; row < end; row++) {
        this.#fillDecode(row, rowsMs);
        this.#fillRow(row, local, budget);
      }
      yield;
    }
  }

  /** Σ_j P(j) rowsMs(j) */
  #fillDecode(row: number, rowsMs: Float64Array): void {
    const { tokenMs, grid } = this;
    const { shares } = grid.rows[row] as GridRow;
    const columns = grid.columns.length;
    const first = row * columns;
    tokenMs.fill(0, first, first + columns);
    for (let j = 0; j < shares.length; j++) {
      const share = shares[j] as number;
      if (share === 0) continue;
      for (let c = 0; c < columns; c++) {
        tokenMs[first + c] = (tokenMs[first + c] as number) + share * (rowsMs[j * columns + c] as number);
      }
    }
  }

  #fillRow(row: number, local: ExpertSpeed, budget: Budget): void {
    const { grid, cost, tokenMs, prefillMs, ttftMs } = this;
    const own = grid.rows[row] as GridRow;
    const localMs = prefillBusyMs(own.local, local);
    const sparedCost = budget.savedPrice * own.savedMb;
    const sparedMs = budget.savedStartMs * own.savedMb;
    const end = (row + 1) * grid.columns.length;
    for (let at = row * grid.columns.length; at < end; at++) {
      const prefill = Math.max(localMs, grid.waitMs[at] as number);
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
