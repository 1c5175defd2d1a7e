import type { ResourcePrices } from "../ledger/price-book.ts";
import { evaluate, splitDevices } from "./evaluate.ts";
import type { Evaluation } from "./evaluation.ts";
import type { LayerPlan, Plan } from "./plan.ts";
import type { PlanningProblem } from "./problem.ts";

const FREE: ResourcePrices = { perGbSecond: 0, perVcpuSecond: 0, perGpuGbSecond: 0 };

/**
 * {@link evaluate} for a model of this layer alone. Layers of a plan differ from each other and from plan to plan by
 * what these evaluations differ: what they cost and take adds up, and what all have in common is in each. What an idle
 * function costs is left out: how long it is held depends on all layers.
 */
export function evaluateLayer(problem: PlanningProblem, specMain: Plan["specMain"], layer: LayerPlan): Evaluation {
  const { sizes, demand, profile } = problem;
  const own: PlanningProblem = {
    ...problem,
    prices: { ...problem.prices, idle: FREE },
    sizes: { ...sizes, layers: 1, expertMb: sizes.expertMb.slice(layer.layer, layer.layer + 1) },
    demand: {
      matrix: demand.matrix.subarray(layer.layer * sizes.experts, (layer.layer + 1) * sizes.experts),
      sets: demand.sets.slice(layer.layer, layer.layer + 1),
    },
  };
  return evaluate(own, { plan: { specMain, layers: [{ ...layer, layer: 0 }] }, devices: splitDevices(profile) });
}
