import { type MeasuredStartOptions, measureStarts } from "./coldstart-measured.ts";
import { modelStarts } from "./coldstart-modelled.ts";
import type { ColdStartComparison } from "./coldstart-summary.ts";
import { PAPER_MODELS } from "./cost-setting.ts";
import { describeMachine, type Machine } from "./machine.ts";

/** Where the time of cold starts goes: Fig. 11 of the paper. */
export interface ColdStartBenchOptions extends Omit<MeasuredStartOptions, "profile"> {
  /** Path of a measured profile; without one, nothing is measured. */
  readonly profile?: string | undefined;
}

/** Measured and modelled comparisons are never mixed in a number. */
export interface ColdStartBenchmark extends Pick<ColdStartComparison, "reference" | "reductionVsMix"> {
  readonly schemaVersion: 1;
  readonly machine: Machine;
  readonly date: string;
  /** These and the reduction are the first measured comparison's, or the first modelled one's. */
  readonly methods: ColdStartComparison["methods"];
  readonly measured: readonly ColdStartComparison[];
  readonly modelled: readonly ColdStartComparison[];
}

/** @throws PROFILE_*, HISTORY_*, PROMPTS_INVALID, what starting functions throws */
export async function benchColdStart(options: ColdStartBenchOptions): Promise<ColdStartBenchmark> {
  const { profile, methods, starts } = options;
  const measured = profile === undefined ? [] : [await measureStarts({ ...options, profile })];
  const modelled = PAPER_MODELS.map((model) => modelStarts({ model, methods, starts }));
  const shown = (measured[0] ?? modelled[0]) as ColdStartComparison;
  return {
    schemaVersion: 1,
    machine: describeMachine(),
    date: new Date().toISOString().slice(0, 10),
    methods: shown.methods,
    reference: shown.reference,
    reductionVsMix: shown.reductionVsMix,
    measured,
    modelled,
  };
}
