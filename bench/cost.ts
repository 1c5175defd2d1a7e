import { createProgress } from "../src/cli/progress.ts";
import type { Workload } from "../src/planner/problem.ts";
import { type MeasuredCostOptions, type MeasuredCosts, measureCosts } from "./cost-measured.ts";
import { modelCosts } from "./cost-modelled.ts";
import { PAPER_MODELS } from "./cost-setting.ts";
import type { CostComparison, MethodCosts } from "./cost-summary.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { WORKLOAD } from "./plan-problems.ts";

/** What methods cost a request: Fig. 9 of the paper, and Fig. 10 over lengths of prompts and answers. */
export interface CostBenchOptions extends Omit<MeasuredCostOptions, "profile"> {
  /** Path of a measured profile; without one, nothing is measured. */
  readonly profile?: string | undefined;
}

/** Measured and modelled comparisons are never mixed in a number. */
export interface CostBenchmark extends Pick<CostComparison, "savingVsBest" | "savingVsWorst"> {
  readonly schemaVersion: 1;
  readonly machine: Machine;
  readonly date: string;
  readonly requests: number;
  /** These and the savings are the first measured comparison's, or the first modelled one's. */
  readonly methods: MethodCosts;
  readonly measured: readonly MeasuredCosts[];
  readonly modelled: readonly CostComparison[];
  /** Modelled, over prefill/decode ratios. */
  readonly ratios: readonly CostComparison[];
}

/** Tokens of prompt and answer. */
const RATIOS: readonly Workload[] = [
  { promptTokens: 32, outputTokens: 256 },
  { promptTokens: 64, outputTokens: 256 },
  { promptTokens: 128, outputTokens: 128 },
  { promptTokens: 256, outputTokens: 64 },
  { promptTokens: 512, outputTokens: 32 },
];
/** Modelled requests of one workload differ little. */
const RATIO_REQUESTS = 10;

/** @throws PROFILE_*, HISTORY_*, PROMPTS_INVALID, what systems throw */
export async function benchCost(options: CostBenchOptions): Promise<CostBenchmark> {
  const { profile, requests } = options;
  const measured = profile === undefined ? [] : [await measureCosts({ ...options, profile })];
  const modelled = modelAll(options, [WORKLOAD], requests);
  const ratios = modelAll(options, RATIOS, Math.min(RATIO_REQUESTS, requests));
  const shown = (measured[0] ?? modelled[0]) as CostComparison;
  return {
    schemaVersion: 1,
    machine: describeMachine(),
    date: new Date().toISOString().slice(0, 10),
    requests: shown.requests,
    methods: shown.methods,
    savingVsBest: shown.savingVsBest,
    savingVsWorst: shown.savingVsWorst,
    measured,
    modelled,
    ratios,
  };
}

function modelAll(
  { methods }: Pick<CostBenchOptions, "methods">,
  workloads: readonly Workload[],
  requests: number,
): CostComparison[] {
  const progress = createProgress();
  const comparisons = PAPER_MODELS.flatMap((model) =>
    workloads.map((workload) => {
      progress.show(`${model}: ${workload.promptTokens} and ${workload.outputTokens} tokens`);
      return modelCosts({ model, workload, requests, methods });
    }),
  );
  progress.end();
  return comparisons;
}
