import type { PriceBook } from "../ledger/price-book.ts";
import type { ActivationMatrix } from "../predictor/example.ts";
import type { CostProfile, Margin } from "./cost-profile.ts";
import type { ByKind } from "./plan-kind.ts";

/** Everything a planner decides from. Plain data: equal problems have equal plans. */
export interface PlanningProblem {
  readonly sizes: ModelSizes;
  readonly profile: CostProfile;
  readonly prices: PriceBook;
  readonly specs: Specs;
  readonly workload: Workload;
  readonly demand: Demand;
  readonly slo: Slo;
  /** Whether the plan's functions have to be started for this request. */
  readonly isCold: boolean;
  /** What predictions are multiplied with before they are held against the objectives. */
  readonly margin: ByKind<Margin>;
}

/** A model's shape and weight. Memory is in MiB, as in specs. */
export interface ModelSizes {
  readonly name: string;
  /** L: layers with routed experts; others count as non-expert. */
  readonly layers: number;
  /** K */
  readonly experts: number;
  /** k */
  readonly expertsPerToken: number;
  /** μ(e_l): one expert of each layer. [layers] */
  readonly expertMb: readonly number[];
  /** Σ μ(f_l), embedding and head. */
  readonly nonExpertMb: number;
  /** Keys and values of the longest request. */
  readonly cacheMb: number;
  /** Process, libraries, inputs and scratch of a main function, and of an expert function: before any weight. */
  readonly mainBaseMb: number;
  readonly expertsBaseMb: number;
}

/** Sizes a platform sells, ascending, in MiB. */
export interface Specs {
  /** m_1 < … < m_V */
  readonly main: readonly number[];
  /** m_1 < … < m_{V^e} */
  readonly experts: readonly number[];
  /** z^max: replicas of an expert function. */
  readonly maxReplicas: number;
}

export interface Workload {
  /** N^in */
  readonly promptTokens: number;
  /** N^out: tokens expected after the first. */
  readonly outputTokens: number;
}

/** Objectives in milliseconds; `null` where there is none. */
export interface Slo {
  readonly ttftMs: number | null;
  readonly tpotMs: number | null;
}

/** What a request is expected to activate. */
export interface Demand {
  /** S̃ [layers × experts] */
  readonly matrix: ActivationMatrix;
  /** Sets of experts that tokens were routed to in decode, of each layer. [layers] */
  readonly sets: readonly RoutedSets[];
}

/** What gates chose for some tokens of one layer. */
export interface RoutedSets {
  /** [tokens × expertsPerToken] */
  readonly experts: Uint16Array;
  /** How much each token counts; not negative, not all 0. [tokens] */
  readonly weights: Float64Array;
}
