import { median } from "../src/core/stats.ts";
import type { ComparisonContext, CostOutcome } from "./cost-summary.ts";

/** Where the time of a cold start goes, in milliseconds. */
export interface ColdStartParts {
  /** Process or container of the main function, with libraries. */
  readonly containerMs: number;
  /** Its weights. */
  readonly loadMs: number;
  /** The slowest expert function, at the same time; 0 without any. */
  readonly remoteMs: number;
  /** Prediction and planning. */
  readonly calculateMs: number;
  /** Until all functions are ready. */
  readonly totalMs: number;
}

/** What a method's functions take to start; medians. */
export interface MethodStart extends ColdStartParts, Pick<CostOutcome, "mainMb" | "remoteExperts"> {
  /** Of `totalMs`. */
  readonly low: number;
  readonly high: number;
}

/** Cold starts of methods. */
export interface ColdStartComparison extends ComparisonContext {
  /** Of each method. */
  readonly starts: number;
  /** `null`: the hardware it needs is not there, or nothing fits. */
  readonly methods: Readonly<Record<string, MethodStart | null>>;
  /** What Remoe is compared with: `mix`, or where there is no device `cpu`, which also holds every expert. */
  readonly reference: "mix" | "cpu";
  /** 1 − Remoe's start / the reference's; `null` if one of them is missing. */
  readonly reductionVsMix: number | null;
}

/** A start, and the plan of its functions. */
export type ColdStartOutcome = ColdStartParts & Pick<CostOutcome, "mainMb" | "remoteExperts">;

/** @param outcomes at least one */
export function summariseStarts(outcomes: readonly ColdStartOutcome[]): MethodStart {
  const middle = (of: (outcome: ColdStartOutcome) => number): number => median(outcomes.map(of));
  const totals = outcomes.map(({ totalMs }) => totalMs);
  return {
    containerMs: middle(({ containerMs }) => containerMs),
    loadMs: middle(({ loadMs }) => loadMs),
    remoteMs: middle(({ remoteMs }) => remoteMs),
    calculateMs: middle(({ calculateMs }) => calculateMs),
    totalMs: median(totals),
    mainMb: middle(({ mainMb }) => mainMb),
    remoteExperts: middle(({ remoteExperts }) => remoteExperts),
    low: Math.min(...totals),
    high: Math.max(...totals),
  };
}

export function compareStarts(
  methods: ColdStartComparison["methods"],
): Pick<ColdStartComparison, "reference" | "reductionVsMix"> {
  const { mix = null, cpu = null, remoe = null } = methods;
  const other = mix ?? cpu;
  return {
    reference: mix === null ? "cpu" : "mix",
    reductionVsMix: remoe === null || other === null ? null : 1 - remoe.totalMs / other.totalMs,
  };
}
