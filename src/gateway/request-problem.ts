import { toDemand } from "../planner/demand.ts";
import type { Demand, ModelSizes, PlanningProblem } from "../planner/problem.ts";
import { uniformMatrix } from "../predictor/activation-matrix.ts";
import { countTokens } from "../predictor/count-tokens.ts";
import { decodeSamples } from "../predictor/similar-prompts.ts";
import type { Expectation } from "./learning.ts";
import type { PlanQuery } from "./plan-choice.ts";

/** What all requests of a model have in common. */
export type ProblemBase = Pick<PlanningProblem, "sizes" | "profile" | "prices" | "specs" | "slo">;

/** Answers are expected to be no longer than this where nothing is known of similar ones. */
const USUAL_OUTPUT = 256;

/** What there is to decide for a request whose functions have to be started. */
export function toProblem(base: ProblemBase, query: PlanQuery, margin: PlanningProblem["margin"]): PlanningProblem {
  const { sizes } = base;
  const { promptTokens, maxTokens, expectation } = query;
  const outputTokens = Math.min(maxTokens - 1, expectedOutput(expectation, sizes) ?? USUAL_OUTPUT);
  return {
    ...base,
    workload: { promptTokens, outputTokens },
    demand: demandOf(expectation, sizes),
    isCold: true,
    margin,
  };
}

/** Tokens after the first that similar requests generated, in the mean; `null` where none of them was to answer. */
function expectedOutput(expectation: Expectation | null, sizes: ModelSizes): number | null {
  const answered = (expectation?.similar ?? [])
    .map(({ example, weight }) => ({ tokens: countTokens(example.decode, sizes, sizes.expertsPerToken), weight }))
    .filter(({ tokens }) => tokens > 0);
  const total = answered.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return null;
  return Math.round(answered.reduce((sum, { tokens, weight }) => sum + weight * tokens, 0) / total);
}

/** Of requests of which nothing is known, by model: drawing sets takes longer than a stream should wait. */
const unknownDemands = new WeakMap<ModelSizes, Demand>();

function demandOf(expectation: Expectation | null, sizes: ModelSizes): Demand {
  if (expectation !== null) return toDemand(expectation.forecast.matrix, decodeSamples(expectation.similar), sizes);
  const demand = unknownDemands.get(sizes) ?? toDemand(uniformMatrix(sizes), [], sizes);
  unknownDemands.set(sizes, demand);
  return demand;
}
