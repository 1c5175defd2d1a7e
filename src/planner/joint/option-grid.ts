import {
  decodeLayerTime,
  type ExpertSpeed,
  expertSpeed,
  type LayerHardware,
  NO_LOAD,
  type PrefillLoad,
  prefillLayerTime,
} from "../layer-time.ts";
import type { PlanningProblem } from "../problem.ts";
import { expectedBilledMs, type Rate, rateOf } from "../rates.ts";
import { toVcpus } from "../specs.ts";
import type { LayerDemand, ReplicaLoad } from "./layer-demand.ts";

/** y_l and z_l */
export interface Column {
  readonly memoryMb: number;
  readonly replicas: number;
}

/** Some of a layer's experts remote. */
export interface GridRow {
  readonly layer: number;
  /** r_l */
  readonly remote: number;
  /** Local memory this saves, in MiB. */
  readonly savedMb: number;
  /** P(j of a token's rows are remote), j = 0 … k. [k + 1] */
  readonly shares: Float64Array;
  /** What prefill leaves to the main function. */
  readonly local: PrefillLoad;
}

interface PricedColumn extends Column {
  readonly hardware: LayerHardware;
  readonly rate: Rate;
}

/** What a grid looks at. */
export interface GridChoices {
  /** r_l, ascending from 0. [layers] */
  readonly counts: readonly (readonly number[])[];
  /** Of equal replicas together. */
  readonly columns: readonly Column[];
}

/**
 * What each layer's experts may run on: r_l of them remote (rows, one layer's after the other's), with memory y_l and z_l
 * replicas (columns). Holds what does not depend on the main function. An option that cannot be costs Infinity; so does
 * all but the first column of a row without remote experts.
 */
export class OptionGrid {
  readonly problem: PlanningProblem;
  readonly demands: readonly LayerDemand[];
  readonly rows: readonly GridRow[];
  /** Each layer's first row, and how many rows there are. [layers + 1] */
  readonly firstRows: readonly number[];
  readonly columns: readonly PricedColumn[];
  /** Of the expert function: prefill, decode and, where they are billed, starts. [rows × columns] */
  readonly cost: Float64Array;
  /** What prefill waits for the replicas. [rows × columns] */
  readonly waitMs: Float64Array;
  /** Starts of all replicas together, and the longest; 0 when warm. [rows × columns] */
  readonly startMs: Float64Array;
  readonly longestStartMs: Float64Array;
  /** Cost of a token's decode with j rows remote, all N^out of them. [k + 1 × columns] */
  readonly #decodeCost: Float64Array;

  constructor(problem: PlanningProblem, demands: readonly LayerDemand[], { counts, columns }: GridChoices) {
    this.problem = problem;
    this.demands = demands;
    this.columns = columns.map((column) => priceColumn(problem, column));
    this.rows = counts.flatMap((own, layer) => own.map((remote) => toRow(problem, demands, { layer, remote })));
    const firstRows = [0];
    for (const own of counts) firstRows.push((firstRows.at(-1) as number) + own.length);
    this.firstRows = firstRows;
    const size = this.rows.length * columns.length;
    this.cost = new Float64Array(size).fill(Number.POSITIVE_INFINITY);
    this.waitMs = new Float64Array(size);
    this.startMs = new Float64Array(size);
    this.longestStartMs = new Float64Array(size);
    this.#decodeCost = this.#decodeCosts();
  }

  /** The first option of a layer; of the layer after the last, how many there are. */
  firstOf(layer: number): number {
    return (this.firstRows[layer] as number) * this.columns.length;
  }

  rowOf(option: number): GridRow {
    return this.rows[Math.floor(option / this.columns.length)] as GridRow;
  }

  /** y_l and z_l of an option. */
  columnOf(option: number): Column {
    return this.columns[option % this.columns.length] as Column;
  }

  /** Must have been called for every layer before any is read. */
  fillLayer(layer: number): void {
    for (let row = this.firstRows[layer] as number; row < (this.firstRows[layer + 1] as number); row++) {
      const own = this.rows[row] as GridRow;
      if (own.remote === 0) this.cost[row * this.columns.length] = 0;
      else this.#fillRow(row * this.columns.length, own);
    }
  }

  #fillRow(first: number, { layer, remote: count, shares }: GridRow): void {
    const { sizes, workload, isCold } = this.problem;
    const demand = this.demands[layer] as LayerDemand;
    let remote: readonly ReplicaLoad[] = [];
    let weightsMb: readonly number[] = [];
    for (const [c, { replicas, memoryMb, hardware, rate }] of this.columns.entries()) {
      if (replicas > count) continue;
      if (replicas !== remote.length) {
        remote = demand.replicaLoads(count, replicas);
        weightsMb = remote.map(({ experts }) => experts * (sizes.expertMb[layer] as number));
      }
      if (!weightsMb.every((mb) => sizes.expertsBaseMb + mb <= memoryMb)) continue;
      const at = first + c;
      const prefill = prefillLayerTime({ promptTokens: workload.promptTokens, local: NO_LOAD, remote }, hardware);
      this.waitMs[at] = prefill.ms;
      this.cost[at] = prefill.billedMs * rate.perMs + prefill.calls * rate.perCall + this.#decodeCostOf(shares, c);
      if (isCold) this.#addStarts(at, weightsMb, rate);
    }
  }

  #decodeCostOf(shares: Float64Array, column: number): number {
    let cost = 0;
    for (let j = 1; j < shares.length; j++) {
      cost += (shares[j] as number) * (this.#decodeCost[j * this.columns.length + column] as number);
    }
    return cost;
  }

  #addStarts(at: number, weightsMb: readonly number[], rate: Rate): void {
    const { profile, prices } = this.problem;
    const { fixedMs, perMb } = profile.coldStart.experts;
    for (const weightMb of weightsMb) {
      const ms = fixedMs + weightMb * perMb;
      this.startMs[at] = (this.startMs[at] as number) + ms;
      this.longestStartMs[at] = Math.max(this.longestStartMs[at] as number, ms);
      if (prices.coldStart === "free") continue;
      this.cost[at] = (this.cost[at] as number) + expectedBilledMs(ms, prices.rounding) * rate.perMs;
    }
  }

  #decodeCosts(): Float64Array {
    const { outputTokens } = this.problem.workload;
    const times = decodeByRows(this, ({ hardware }) => hardware);
    return Float64Array.from(times, ({ billedMs, calls }, i) => {
      const { rate } = this.columns[i % this.columns.length] as PricedColumn;
      return outputTokens * (billedMs * rate.perMs + calls * rate.perCall);
    });
  }
}

function toRow(
  { sizes }: PlanningProblem,
  demands: readonly LayerDemand[],
  { layer, remote }: Pick<GridRow, "layer" | "remote">,
): GridRow {
  const demand = demands[layer] as LayerDemand;
  const savedMb = remote * (sizes.expertMb[layer] as number);
  return { layer, remote, savedMb, shares: demand.shares(remote), local: demand.local(remote) };
}

/** Decode of a token's experts with exactly j rows remote, by each column. [k + 1 × columns] */
export function decodeByRows(
  { problem, columns }: Pick<OptionGrid, "problem" | "columns">,
  hardwareOf: (column: PricedColumn) => LayerHardware,
) {
  const k = problem.sizes.expertsPerToken;
  return Array.from({ length: k + 1 }, (_, j) => {
    const certainly = new Float64Array(k + 1);
    certainly[j] = 1;
    return columns.map((column) => decodeLayerTime(certainly, column.replicas, hardwareOf(column)));
  }).flat();
}

const IDLE: ExpertSpeed = { decodeLayer: 0, decodeRow: 0, prefillExpert: 0, prefillRow: 0 };

function priceColumn({ profile, prices }: PlanningProblem, column: Column): PricedColumn {
  const remote = expertSpeed(profile.remote, toVcpus(column.memoryMb));
  return {
    ...column,
    hardware: { local: IDLE, remote, wire: profile.wire, rounding: prices.rounding },
    rate: rateOf({ memoryMb: column.memoryMb, gpuMemoryMb: 0 }, prices),
  };
}
