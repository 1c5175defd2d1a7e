import { median, quantile } from "../src/core/stats.ts";
import type { Learning } from "../src/gateway/learning.ts";
import { type ProblemBase, toProblem } from "../src/gateway/request-problem.ts";
import type { HistoryRecord } from "../src/history/record.ts";
import { toDemand } from "../src/planner/demand.ts";
import type { ModelSizes, PlanningProblem } from "../src/planner/problem.ts";
import { toActivationMatrix } from "../src/predictor/activation-matrix.ts";

/** What there is to decide for a prompt before it runs, as the gateway sees it. */
export async function forecast(base: ProblemBase, tokens: readonly number[], { learning, maxTokens }: ForecastOptions) {
  const query = { promptTokens: tokens.length, maxTokens, expectation: await learning.expect("forecast", tokens) };
  return toProblem(base, query, base.profile.spread);
}

export interface ForecastOptions {
  readonly learning: Learning;
  /** Of an answer. */
  readonly maxTokens: number;
}

/** Share of past prompts that a plan for all has to be fast enough for. */
const MOST = 0.99;

/**
 * What there is to decide for all requests at once: a prompt no shorter than most, an answer in the middle of past ones, and
 * all their activations together.
 */
export function commonProblem(
  base: ProblemBase,
  records: readonly HistoryRecord[],
  maxTokens: number,
): PlanningProblem {
  const { sizes, profile } = base;
  const samples = records.map(({ decodeSample }) => ({ sample: decodeSample, weight: 1 / records.length }));
  return {
    ...base,
    workload: {
      promptTokens: Math.ceil(
        quantile(
          records.map(({ prefill }) => countTokens(prefill, sizes)),
          MOST,
        ),
      ),
      outputTokens: Math.min(
        maxTokens - 1,
        Math.round(median(records.map(({ decode }) => countTokens(decode, sizes)))),
      ),
    },
    demand: toDemand(toActivationMatrix(sumCounts(records.map(({ prefill }) => prefill)), sizes), samples, sizes),
    isCold: false,
    margin: profile.spread,
  };
}

function sumCounts(all: readonly Uint32Array[]): Float64Array {
  const sums = new Float64Array(all[0]?.length ?? 0);
  for (const counts of all) {
    for (const [i, count] of counts.entries()) sums[i] = (sums[i] as number) + count;
  }
  return sums;
}

/** Of a prompt's last layer, only the last token goes through experts: tokens are counted in the first. */
function countTokens(counts: Uint32Array, { experts, expertsPerToken }: ModelSizes): number {
  return counts.subarray(0, experts).reduce((sum, count) => sum + count, 0) / expertsPerToken;
}
