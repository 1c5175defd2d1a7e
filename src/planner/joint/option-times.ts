import { type ExpertSpeed, prefillBusyMs } from "../layer-time.ts";
import type { MainFunction } from "./main-function.ts";
import { decodeByRows, type GridRow, type OptionGrid } from "./option-grid.ts";

/** What a grid's options take beside one main function. */
export class OptionTimes {
  readonly grid: OptionGrid;
  /** GT^e of one token. [rows × columns] */
  readonly decodeMs: Float64Array;
  /** PT^e [rows × columns] */
  readonly prefillMs: Float64Array;

  constructor(grid: OptionGrid) {
    this.grid = grid;
    this.decodeMs = new Float64Array(grid.cost.length);
    this.prefillMs = new Float64Array(grid.cost.length);
  }

  /** Replaces what another main function left; layer by layer. */
  *fill({ local }: MainFunction): Generator<void, void, void> {
    const rowsMs = Float64Array.from(
      decodeByRows(this.grid, ({ hardware }) => ({ ...hardware, local })),
      ({ ms }) => ms,
    );
    for (const layer of this.grid.demands.keys()) {
      this.#fillLayer(layer, local, rowsMs);
      yield;
    }
  }

  #fillLayer(layer: number, local: ExpertSpeed, rowsMs: Float64Array): void {
    const { grid, prefillMs } = this;
    const { waitMs, firstRows } = grid;
    const columns = grid.columns.length;
    const end = firstRows[layer + 1] as number;
    for (let row = firstRows[layer] as number; row < end; row++) {
      const own = grid.rows[row] as GridRow;
      this.#fillDecode(row * columns, own.shares, rowsMs);
      const localMs = prefillBusyMs(own.local, local);
      for (let at = row * columns; at < (row + 1) * columns; at++) {
        prefillMs[at] = Math.max(localMs, waitMs[at] as number);
      }
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
