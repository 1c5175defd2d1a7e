import {
  decodeLayerTime,
  type ExpertSpeed,
  expertSpeed,
  type LayerHardware,
  NO_LOAD,
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

interface PricedColumn extends Column {
  readonly hardware: LayerHardware;
  readonly rate: Rate;
}

/**
 * What each layer's experts may run on: r_l of them remote (rows), with memory y_l and z_l replicas (columns). Holds what
 * does not depend on the main function. An option that cannot be costs Infinity; so does all but the first column of the
 * row without remote experts.
 */
export class OptionGrid {
  readonly problem: PlanningProblem;
  readonly demands: readonly LayerDemand[];
  /** r, ascending from 0. */
  readonly counts: readonly number[];
  readonly columns: readonly PricedColumn[];
  /** Of the expert function: prefill, decode and, where they are billed, starts. [layers × counts × columns] */
  readonly cost: Float64Array;
  /** What prefill waits for the replicas. [layers × counts × columns] */
  readonly waitMs: Float64Array;
  /** Starts of all replicas together, and the longest; 0 when warm. [layers × counts × columns] */
  readonly startMs: Float64Array;
  readonly longestStartMs: Float64Array;
  /** P(j of a token's rows are remote), j = 0 … k. [layers × counts] */
  readonly shares: readonly Float64Array[];
  /** Cost of a token's decode with j rows remote, all N^out of them. [k + 1 × columns] */
  readonly #decodeCost: Float64Array;

  constructor(
    problem: PlanningProblem,
    demands: readonly LayerDemand[],
    { counts, columns }: { readonly counts: readonly number[]; readonly columns: readonly Column[] },
  ) {
    this.problem = problem;
    this.demands = demands;
    this.counts = counts;
    this.columns = columns.map((column) => priceColumn(problem, column));
    this.shares = demands.flatMap((demand) => counts.map((count) => demand.shares(count)));
    const size = demands.length * counts.length * columns.length;
    this.cost = new Float64Array(size).fill(Number.POSITIVE_INFINITY);
    this.waitMs = new Float64Array(size);
    this.startMs = new Float64Array(size);
    this.longestStartMs = new Float64Array(size);
    this.#decodeCost = this.#decodeCosts();
  }

  /** Options of a layer. */
  get width(): number {
    return this.counts.length * this.columns.length;
  }

  /** Local memory that the options of one row save, in MiB. */
  savedMb(layer: number, row: number): number {
    return (this.counts[row] as number) * (this.problem.sizes.expertMb[layer] as number);
  }

  savedMbOf(option: number): number {
    return this.savedMb(Math.floor(option / this.width), this.rowOf(option));
  }

  rowOf(option: number): number {
    return Math.floor((option % this.width) / this.columns.length);
  }

  /** R_l, y_l and z_l of an option. */
  choiceOf(option: number): { readonly layer: number; readonly remote: number; readonly column: Column } {
    return {
      layer: Math.floor(option / this.width),
      remote: this.counts[this.rowOf(option)] as number,
      column: this.columns[option % this.columns.length] as Column,
    };
  }

  /** Must have been called for every layer before any is read. */
  fillLayer(layer: number): void {
    for (const [row, count] of this.counts.entries()) {
      if (count === 0) this.cost[layer * this.width + row * this.columns.length] = 0;
      else this.#fillRow(layer, row, count);
    }
  }

  #fillRow(layer: number, row: number, count: number): void {
    const { sizes } = this.problem;
    const demand = this.demands[layer] as LayerDemand;
    const expertMb = sizes.expertMb[layer] as number;
    const shares = this.shares[layer * this.counts.length + row] as Float64Array;
    const { promptTokens } = this.problem.workload;
    let split = { z: 0, weightsMb: [] as number[], remote: [] as ReplicaLoad[] };
    for (const [c, column] of this.columns.entries()) {
      if (column.replicas > count) continue;
      if (column.replicas !== split.z) {
        const remote = demand.replicaLoads(count, column.replicas);
        split = { z: column.replicas, weightsMb: remote.map(({ experts }) => experts * expertMb), remote };
      }
      if (sizes.expertsBaseMb + Math.max(...split.weightsMb) > column.memoryMb) continue;
      const at = layer * this.width + row * this.columns.length + c;
      const prefill = prefillLayerTime({ promptTokens, local: NO_LOAD, remote: split.remote }, column.hardware);
      this.waitMs[at] = prefill.ms;
      this.cost[at] =
        prefill.billedMs * column.rate.perMs + prefill.calls * column.rate.perCall + this.#decodeCostOf(shares, c);
      if (this.problem.isCold) this.#addStarts(at, split.weightsMb, column.rate);
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
