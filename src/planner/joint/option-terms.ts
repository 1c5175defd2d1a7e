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

  /** How many remote rows take at least as long as the others here, by column. [columns] */
  readonly #slowerFrom: Int32Array;
  /** A token's local experts, when j rows are remote. [k + 1] */
  readonly #localMs: Float64Array;
  /** [k + 2] */
  readonly #localSums: Float64Array;

  constructor(grid: OptionGrid) {
    const size = grid.cost.length;
    this.grid = grid;
    this.cost = new Float64Array(size);
    this.tokenMs = new Float64Array(size);
    this.prefillMs = new Float64Array(size);
    this.ttftMs = new Float64Array(size);
    this.#slowerFrom = new Int32Array(grid.columns.length);
    this.#localMs = new Float64Array(grid.problem.sizes.expertsPerToken + 1);
    this.#localSums = new Float64Array(grid.problem.sizes.expertsPerToken + 2);
  }

  /** Replaces what another main function left, in some columns. */
  fill({ local }: MainFunction, budget: Budget, columns: ColumnRange): void {
    this.#findSlower(local);
    for (let row = 0; row < this.grid.rows.length; row++) {
      this.#fillDecode(row, columns);
      this.#fillRow(row, { localMs: this.#prefillMs(row, local), budget, columns });
    }
  }

  /** What no choice of options costs more than, beside the budget's own cost. */
  dearest({ from, end }: ColumnRange): number {
    const { firstRows, demands, columns } = this.grid;
    let sum = 0;
    for (const layer of demands.keys()) {
      let most = 0;
      for (let row = firstRows[layer] as number; row < (firstRows[layer + 1] as number); row++) {
        for (let at = row * columns.length + from; at < row * columns.length + end; at++) {
          const cost = this.cost[at] as number;
          if (cost > most && cost < Number.POSITIVE_INFINITY) most = cost;
        }
      }
      sum += most;
    }
    return sum;
  }

  /** Remote rows take longer from some number on, local ones up to there: the more are remote, the fewer are local. */
  #findSlower(local: ExpertSpeed): void {
    const { decodeMs, columns, problem } = this.grid;
    const k = problem.sizes.expertsPerToken;
    this.#slowerFrom.fill(k + 1);
    for (let j = k; j >= 0; j--) {
      const localMs = localDecodeMs(k - j, local);
      this.#localMs[j] = localMs;
      for (let c = 0; c < columns.length; c++) {
        if ((decodeMs[j * columns.length + c] as number) >= localMs) this.#slowerFrom[c] = j;
      }
    }
  }

  #prefillMs(row: number, local: ExpertSpeed): number {
    return prefillBusyMs((this.grid.rows[row] as GridRow).local, local);
  }

  /** Σ_j P(j) (max(local(k − j), remote(j)) + κ min(…)), from sums up to where remote ones take longer and from there. */
  #fillDecode(row: number, { from, end }: ColumnRange): void {
    const { tokenMs, grid } = this;
    const { decode } = grid.problem.profile.contention;
    const columns = grid.columns.length;
    const width = grid.problem.sizes.expertsPerToken + 1;
    const [first, awaited] = [row * columns, row * width * columns];
    const localMs = this.#sumLocal(row);
    const allLocalMs = localMs[width] as number;
    for (let c = from; c < end; c++) {
      const slower = this.#slowerFrom[c] as number;
      const awaitedMs = slower === width ? 0 : (grid.awaitedMs[awaited + slower * columns + c] as number);
      const longer = (localMs[slower] as number) + awaitedMs;
      const both = allLocalMs + (grid.awaitedMs[awaited + c] as number);
      tokenMs[first + c] = longer + decode * (both - longer);
    }
  }

  /** Σ_{i < j} P(i) local(k − i) [k + 2] */
  #sumLocal(row: number): Float64Array {
    const { shares, problem } = this.grid;
    const k = problem.sizes.expertsPerToken;
    const sums = this.#localSums;
    for (let j = 0; j <= k; j++) {
      const share = shares[row * (k + 1) + j] as number;
      sums[j + 1] = (sums[j] as number) + share * (this.#localMs[j] as number);
    }
    return sums;
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
