import {
  type ExpertSpeed,
  expertSpeed,
  type LayerHardware,
  type PrefillLoad,
  type ReplicaCalls,
  remoteDecodeTime,
  remotePrefillTime,
  toCalls,
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
  /** What prefill leaves to the main function. */
  readonly local: PrefillLoad;
}

export interface PricedColumn extends Column {
  readonly hardware: LayerHardware;
  readonly rate: Rate;
  /**
   * What its start costs for each MiB of weights, if that is billed: layers may share functions as far as there is room, so
   * each pays for as much of a full function's as it takes up.
   */
  readonly startPerMb: number;
}

/** Some of a grid's columns, those next to each other. */
export interface ColumnRange {
  readonly from: number;
  readonly end: number;
}

/** What a grid looks at. */
export interface GridChoices {
  /** r_l, ascending from 0. [layers] */
  readonly counts: readonly (readonly number[])[];
  /** Of equal replicas together. */
  readonly columns: readonly Column[];
  /** Whether replicas are taken to have even loads, which takes less time and, for bounds, is good enough. */
  readonly isEven: boolean;
}

/**
 * What each layer's experts may run on: r_l of them remote (rows, one layer's after the other's), with memory y_l and z_l
 * replicas (columns). Holds what does not depend on the main function. An option that cannot be costs Infinity; those of a
 * row without remote experts are all the same.
 */
export class OptionGrid {
  readonly problem: PlanningProblem;
  readonly demands: readonly LayerDemand[];
  readonly rows: readonly GridRow[];
  /** Each layer's first row, and how many rows there are. [layers + 1] */
  readonly firstRows: readonly number[];
  readonly columns: readonly PricedColumn[];
  /** P(j of a token's rows are remote), j = 0 … k. [rows × k + 1] */
  readonly shares: Float64Array;
  /** What decode waits for j rows. [k + 1 × columns] */
  readonly decodeMs: Float64Array;
  /** What decode waits for j rows and more, times how often it does: Σ_{i ≥ j} P(i) decodeMs(i). [rows × k + 1 × columns] */
  readonly awaitedMs: Float64Array;
  /** Of the expert function: prefill, decode and, where they are billed, its share of starts; beyond what it costs idle. [rows × columns] */
  readonly cost: Float64Array;
  /** Of its calls. [rows × columns] */
  readonly billedMs: Float64Array;
  /** What as many of the fullest replica hold as there are, in MiB. [rows × columns] */
  readonly heldMb: Float64Array;
  /** What prefill waits for the replicas. [rows × columns] */
  readonly waitMs: Float64Array;
  /** Starts of all replicas together, and the longest; 0 when warm. [rows × columns] */
  readonly startMs: Float64Array;
  readonly longestStartMs: Float64Array;
  /** Of one token with j rows remote. [k + 1 × columns] */
  readonly #decodeCalls: Float64Array;
  readonly #decodeBilledMs: Float64Array;
  readonly #isEven: boolean;

  constructor(problem: PlanningProblem, demands: readonly LayerDemand[], { counts, columns, isEven }: GridChoices) {
    const width = problem.sizes.expertsPerToken + 1;
    this.problem = problem;
    this.#isEven = isEven;
    this.demands = demands;
    this.columns = columns.map((column) => priceColumn(problem, column));
    this.rows = counts.flatMap((own, layer) => own.map((remote) => toRow(problem, demands, { layer, remote })));
    const firstRows = [0];
    for (const own of counts) firstRows.push((firstRows.at(-1) as number) + own.length);
    this.firstRows = firstRows;
    this.shares = new Float64Array(this.rows.length * width);
    this.decodeMs = new Float64Array(width * columns.length);
    this.awaitedMs = new Float64Array(this.rows.length * width * columns.length);
    this.#decodeCalls = new Float64Array(width * columns.length);
    this.#decodeBilledMs = new Float64Array(width * columns.length);
    this.#fillDecode();
    const size = this.rows.length * columns.length;
    this.cost = new Float64Array(size).fill(Number.POSITIVE_INFINITY);
    this.billedMs = new Float64Array(size);
    this.heldMb = new Float64Array(size);
    this.waitMs = new Float64Array(size);
    this.startMs = new Float64Array(size);
    this.longestStartMs = new Float64Array(size);
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
    const demand = this.demands[layer] as LayerDemand;
    const width = this.problem.sizes.expertsPerToken + 1;
    for (let row = this.firstRows[layer] as number; row < (this.firstRows[layer + 1] as number); row++) {
      const { remote } = this.rows[row] as GridRow;
      this.shares.set(demand.shares(remote), row * width);
      this.#sumAwaited(row);
      if (remote > 0) this.#fillRow(row, demand, remote);
      else this.cost.fill(0, row * this.columns.length, (row + 1) * this.columns.length);
    }
  }

  #sumAwaited(row: number): void {
    const { shares, decodeMs, awaitedMs } = this;
    const columns = this.columns.length;
    const width = this.problem.sizes.expertsPerToken + 1;
    const first = row * width * columns;
    for (let j = width - 1; j >= 0; j--) {
      const share = shares[row * width + j] as number;
      for (let at = j * columns; at < (j + 1) * columns; at++) {
        const further = j === width - 1 ? 0 : (awaitedMs[first + at + columns] as number);
        awaitedMs[first + at] = further + share * (decodeMs[at] as number);
      }
    }
  }

  #fillRow(row: number, demand: LayerDemand, count: number): void {
    const { sizes, isCold } = this.problem;
    const { layer } = this.rows[row] as GridRow;
    const expertMb = sizes.expertMb[layer] as number;
    let own: Replicas = { count: 0, loads: [], calls: [], mostExperts: 0 };
    for (let column = 0; column < this.columns.length; column++) {
      const priced = this.columns[column] as PricedColumn;
      const { replicas, memoryMb } = priced;
      if (replicas > count) continue;
      if (replicas !== own.count) own = this.#replicasOf(demand, count, replicas);
      const mostMb = expertMb * own.mostExperts;
      if (sizes.expertsBaseMb + mostMb > memoryMb) continue;
      const at = row * this.columns.length + column;
      this.heldMb[at] = replicas * mostMb;
      this.#fillPrefill(at, own, priced.hardware);
      if (isCold) this.#addStarts(at, { allMb: expertMb * count, mostMb }, priced);
    }
  }

  #replicasOf(demand: LayerDemand, r: number, z: number): Replicas {
    const loads = this.#isEven ? [demand.evenLoad(r, z)] : demand.replicaLoads(r, z);
    const { promptTokens } = this.problem.workload;
    const { wire } = this.problem.profile;
    const calls = loads.map((load) => toCalls(load, promptTokens, wire));
    return { count: z, loads, calls, mostExperts: mostExperts(loads) };
  }

  #fillPrefill(at: number, replicas: Replicas, hardware: LayerHardware): void {
    const { ms, calls, billedMs } = remotePrefillTime(replicas.calls, hardware);
    const each = replicas.count / replicas.calls.length;
    this.waitMs[at] = ms;
    this.#price(at, each * calls, each * billedMs);
  }

  #price(at: number, calls: number, billedMs: number): void {
    const columns = this.columns.length;
    const column = at % columns;
    const width = this.problem.sizes.expertsPerToken + 1;
    const first = ((at - column) / columns) * width;
    let [decodeCalls, decodeBilledMs] = [0, 0];
    for (let j = 1; j < width; j++) {
      const share = this.shares[first + j] as number;
      decodeCalls += share * (this.#decodeCalls[j * columns + column] as number);
      decodeBilledMs += share * (this.#decodeBilledMs[j * columns + column] as number);
    }
    const { outputTokens } = this.problem.workload;
    const { perMs, idlePerMs, perCall } = (this.columns[column] as PricedColumn).rate;
    const allMs = billedMs + outputTokens * decodeBilledMs;
    this.billedMs[at] = allMs;
    this.cost[at] = allMs * (perMs - idlePerMs) + (calls + outputTokens * decodeCalls) * perCall;
  }

  /** What they take is as if each layer had its own functions. */
  #addStarts(at: number, { allMb, mostMb }: Weights, { replicas, startPerMb }: PricedColumn): void {
    const { fixedMs, perMb } = this.problem.profile.coldStart.experts;
    this.startMs[at] = replicas * fixedMs + allMb * perMb;
    this.longestStartMs[at] = fixedMs + mostMb * perMb;
    this.cost[at] = (this.cost[at] as number) + allMb * startPerMb;
  }

  #fillDecode(): void {
    const columns = this.columns.length;
    for (const [column, { replicas, hardware }] of this.columns.entries()) {
      for (let j = 1; j <= this.problem.sizes.expertsPerToken; j++) {
        const { ms, calls, billedMs } = remoteDecodeTime(j, replicas, hardware);
        this.decodeMs[j * columns + column] = ms;
        this.#decodeCalls[j * columns + column] = calls;
        this.#decodeBilledMs[j * columns + column] = billedMs;
      }
    }
  }
}

interface Replicas {
  readonly count: number;
  /** Of each, or one for all. */
  readonly loads: readonly ReplicaLoad[];
  readonly calls: readonly ReplicaCalls[];
  readonly mostExperts: number;
}

/** Of all replicas, and of the fullest. */
interface Weights {
  readonly allMb: number;
  readonly mostMb: number;
}

function mostExperts(replicas: readonly ReplicaLoad[]): number {
  let most = 0;
  for (const { experts } of replicas) most = Math.max(most, experts);
  return most;
}

function toRow(
  { sizes }: PlanningProblem,
  demands: readonly LayerDemand[],
  { layer, remote }: Pick<GridRow, "layer" | "remote">,
): GridRow {
  const savedMb = remote * (sizes.expertMb[layer] as number);
  return { layer, remote, savedMb, local: (demands[layer] as LayerDemand).local(remote) };
}

const IDLE: ExpertSpeed = { decodeLayer: 0, decodeRow: 0, prefillExpert: 0, prefillRow: 0 };

function priceColumn({ profile, prices, sizes }: PlanningProblem, column: Column): PricedColumn {
  const remote = expertSpeed(profile.remote, toVcpus(column.memoryMb));
  const rate = rateOf({ memoryMb: column.memoryMb, gpuMemoryMb: 0 }, prices);
  const { fixedMs, perMb } = profile.coldStart.experts;
  const roomMb = column.memoryMb - sizes.expertsBaseMb;
  const fullCost = expectedBilledMs(fixedMs + roomMb * perMb, prices.rounding) * rate.perMs;
  return {
    ...column,
    hardware: { local: IDLE, remote, wire: profile.wire, contention: profile.contention, rounding: prices.rounding },
    rate,
    startPerMb: prices.coldStart === "free" ? 0 : fullCost / roomMb,
  };
}
