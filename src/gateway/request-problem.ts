import { toDemand } from "../planner/demand.ts";
import type { ModelSizes, PlanningProblem } from "../planner/problem.ts";
import type { Margin } from "../planner/slo-margin.ts";
import { uniformMatrix } from "../predictor/activation-matrix.ts";
import { decodeSamples } from "../predictor/similar-prompts.ts";
import type { Expectation } from "./learning.ts";
import type { PlanQuery } from "./plan-choice.ts";

/** What all requests of a model have in common. */
export type ProblemBase = Pick<PlanningProblem, "sizes" | "profile" | "prices" | "specs" | "slo">;

/** Answers are expected to be no longer than this where nothing is known of similar ones. */
const USUAL_OUTPUT = 256;

/** What there is to decide for a request whose functions have to be started. */
export function toProblem(base: ProblemBase, query: PlanQuery, margin: Margin): PlanningProblem {
  const { sizes } = base;
  const { promptTokens, maxTokens, expectation } = query;
  const matrix = expectation?.forecast.matrix ?? uniformMatrix(sizes);
  const outputTokens = Math.min(maxTokens - 1, expectedOutput(expectation, sizes) ?? USUAL_OUTPUT);
  return {
    ...base,
    workload: { promptTokens, outputTokens },
    demand: toDemand(matrix, decodeSamples(expectation?.similar ?? []), sizes),
    isCold: true,
    margin,
  };
}

/** Tokens after the first that similar requests generated, in the mean. */
function expectedOutput(expectation: Expectation | null, { layers, expertsPerToken }: ModelSizes): number | null {
  if (expectation === null || expectation.similar.length === 0) return null;
  const pairs = expectation.similar.reduce(
    (sum, { example, weight }) => sum + weight * example.decode.reduce((a, b) => a + b, 0),
    0,
  );
  return Math.round(pairs / (layers * expertsPerToken));
}
