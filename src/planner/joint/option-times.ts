import { prefillBusyMs } from "../layer-time.ts";
import type { LayerDemand } from "./layer-demand.ts";
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

  /** Replaces what another main function left. */
  fill({ local }: MainFunction): void {
    const { grid } = this;
    const byRows = decodeByRows(grid, ({ hardware }) => ({ ...hardware, local }));
    const rowsMs = Float64Array.from(byRows, ({ ms }) => ms);
    const columns = grid.columns.length;
    let at = 0;
    for (const demand of grid.demands) {
      for (const count of grid.counts) {
        this.#fillDecode(at, demand.shares(count), rowsMs);
        const localMs = prefillBusyMs(demand.local(count), local);
        for (let c = 0; c < columns; c++) this.prefillMs[at + c] = Math.max(localMs, grid.waitMs[at + c] as number);
        at += columns;
      }
    }
  }

  /** Σ_j P(j) rowsMs(j), of the columns from `at` on. */
  #fillDecode(at: number, shares: Float64Array, rowsMs: Float64Array): void {
    const columns = this.grid.columns.length;
    for (let c = 0; c < columns; c++) this.decodeMs[at + c] = 0;
    for (let j = 0; j < shares.length; j++) {
      const share = shares[j] as number;
      if (share === 0) continue;
      for (let c = 0; c < columns; c++) {
        this.decodeMs[at + c] = (this.decodeMs[at + c] as number) + share * (rowsMs[j * columns + c] as number);
      }
    }
  }
}
