import { median } from "../src/core/stats.ts";
import type { Learning } from "../src/gateway/learning.ts";
import { type ProblemBase, toProblem } from "../src/gateway/request-problem.ts";
import type { HistoryRecord } from "../src/history/record.ts";
import { toDemand } from "../src/planner/demand.ts";
import type { PlanningProblem } from "../src/planner/problem.ts";
import { toActivationMatrix } from "../src/predictor/activation-matrix.ts";

/** What there is to decide for a prompt before it runs, as the gateway sees it. */
export function forecast(base: ProblemBase, tokens: readonly number[], { learning, maxTokens }: ForecastOptions) {
  const query = { promptTokens: tokens.length, maxTokens, expectation: learning.expect("forecast", tokens) };
  return toProblem(base, query, base.profile.spread);
}

export interface ForecastOptions {
  readonly learning: Learning;
  /** Of an answer. */
  readonly maxTokens: number;
}

/**
 * What there is to decide where nothing is known of the prompt: lengths in the middle of past ones, and all their
 * activations together.
 */
export function typicalProblem(
  base: ProblemBase,
  records: readonly HistoryRecord[],
  maxTokens: number,
): PlanningProblem {
  const { sizes, profile } = base;
  const rows = new Float64Array(sizes.layers * sizes.experts);
  for (const { prefill } of records) {
    for (const [i, count] of prefill.entries()) rows[i] = (rows[i] as number) + count;
  }
  const samples = records.map(({ decodeSample }) => ({ sample: decodeSample, weight: 1 / records.length }));
  // Of a prompt's last layer, only the last token goes through experts: lengths are counted in the first.
  const tokensOf = (counts: Uint32Array): number =>
    counts.subarray(0, sizes.experts).reduce((sum, count) => sum + count, 0) / sizes.expertsPerToken;
  const lengthOf = (countsOf: (record: HistoryRecord) => Uint32Array): number =>
    Math.round(median(records.map((record) => tokensOf(countsOf(record)))));
  return {
    ...base,
    workload: {
      promptTokens: lengthOf(({ prefill }) => prefill),
      outputTokens: Math.min(
        maxTokens - 1,
        lengthOf(({ decode }) => decode),
      ),
    },
    demand: toDemand(toActivationMatrix(rows, sizes), samples, sizes),
    isCold: false,
    margin: profile.spread,
  };
}
