import { prefillBusyMs } from "../layer-time.ts";
import type { MainFunction } from "./main-function.ts";
import { decodeByRows, type OptionGrid } from "./option-grid.ts";

/** What a grid's options take beside one main function. */
export class OptionTimes {
  readonly grid: OptionGrid;
  /** GT^e of one token. [layers × counts × columns] */
  readonly decodeMs: Float64Array;
  /** PT^e [layers × counts × columns] */
  readonly prefillMs: Float64Array;

  constructor(grid: OptionGrid) {
    this.grid = grid;
    this.decodeMs = new Float64Array(grid.cost.length);
    this.prefillMs = new Float64Array(grid.cost.length);
  }

  /** Replaces what another main function left; layer by layer. */
  *fill({ local }: MainFunction): Generator<void, void, void> {
    const { grid, prefillMs } = this;
    const { waitMs } = grid;
    const rowsMs = Float64Array.from(
      decodeByRows(grid, ({ hardware }) => ({ ...hardware, local })),
      ({ ms }) => ms,
    );
    const columns = grid.columns.length;
    let [row, at] = [0, 0];
    for (const demand of grid.demands) {
      for (const count of grid.counts) {
        this.#fillDecode(at, grid.shares[row++] as Float64Array, rowsMs);
        const localMs = prefillBusyMs(demand.local(count), local);
        for (let c = at; c < at + columns; c++) prefillMs[c] = Math.max(localMs, waitMs[c] as number);
        at += columns;
      }
      yield;
    }
  }

  /** Σ_j P(j) rowsMs(j), of the columns from `at` on. */
  #fillDecode(at: number, shares: Float64Array, rowsMs: Float64Array): void {
    const { decodeMs } = this;
    const columns = this.grid.columns.length;
    decodeMs.fill(0, at, at + columns);
    for (let j = 0; j < shares.length; j++) {
      const share = shares[j] as number;
      if (share === 0) continue;
      const from = j * columns;
      for (let c = 0; c < columns; c++) {
        decodeMs[at + c] = (decodeMs[at + c] as number) + share * (rowsMs[from + c] as number);
      }
    }
  }
}
