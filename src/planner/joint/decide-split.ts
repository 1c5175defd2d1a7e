import { chooseCheapest } from "../choose-cheapest.ts";
import { evaluate, splitDevices } from "../evaluate.ts";
import type { Decision } from "../evaluation.ts";
import { expertsNeedMb } from "../memory-needs.ts";
import { fitMemory, packLayers, shareFunctions } from "../pack-layers.ts";
import type { LayerPlan, Plan } from "../plan.ts";
import { isIdleBilled } from "../rates.ts";
import { smallestSpec } from "../specs.ts";
import { countsOf, type LayerDemand } from "./layer-demand.ts";
import type { OptionGrid } from "./option-grid.ts";

/** One option of every layer, as places in a grid. [layers] */
export interface Chosen {
  readonly options: readonly number[];
  /** Layers of each function, of equal memory and replicas; otherwise the emptiest functions are shared. */
  readonly sharing?: readonly (readonly number[])[];
}

/** The best of some choices beside one main function, as `evaluate` says; `null` of none. Yields after each. */
export function* decideSplit(
  grid: OptionGrid,
  memoryMb: number,
  choices: readonly Chosen[],
): Generator<void, Decision | null, void> {
  const decisions: Decision[] = [];
  for (const chosen of choices) {
    for (const plan of toPlans(grid, memoryMb, chosen)) decisions.push(decide(grid, plan));
    yield;
  }
  return decisions.length === 0 ? null : chooseCheapest(decisions);
}

/** As `evaluate` says. */
export function decide({ problem, demands }: Pick<OptionGrid, "problem" | "demands">, plan: Plan): Decision {
  const placement = { plan, devices: splitDevices(problem.profile) };
  const evaluation = evaluate(problem, placement, countsOf(demands));
  return { placement, evaluation, feasible: evaluation.violations.length === 0 };
}

/** Shared functions first; where starting them may take longer, also one for each layer. None that does not fit. */
function toPlans(grid: OptionGrid, memoryMb: number, { options, sharing }: Chosen): Plan[] {
  const layers = options.flatMap((option) => toLayerPlan(grid, option) ?? []);
  if (layers.some((layer) => layer.memoryMb === Number.POSITIVE_INFINITY)) return [];
  const plan = { specMain: { memoryMb }, layers };
  if (sharing !== undefined) return [shareFunctions(plan, sharing)];
  const packed = packLayers(plan, grid.problem.sizes);
  return [
    packed,
    ...(grid.problem.isCold ? [plan] : []),
    ...(isIdleBilled(grid.problem.prices) ? [fitMemory(packed, grid.problem)] : []),
  ];
}

/**
 * `null` without remote experts. Where the grid takes replicas as even, the fullest one may need more memory: infinite if
 * no function has as much.
 */
function toLayerPlan(grid: OptionGrid, option: number): LayerPlan | null {
  const { layer, remote } = grid.rowOf(option);
  if (remote === 0) return null;
  const { sizes, specs } = grid.problem;
  const { memoryMb, replicas: count } = grid.columnOf(option);
  const demand = grid.demands[layer] as LayerDemand;
  const replicas = demand.replicas(remote, count);
  const neededMb = expertsNeedMb(sizes, layer, Math.max(...replicas.map((experts) => experts.length)));
  return {
    layer,
    remote: demand.remote(remote),
    function: `experts-${layer}`,
    memoryMb: neededMb <= memoryMb ? memoryMb : (smallestSpec(specs.experts, neededMb) ?? Number.POSITIVE_INFINITY),
    replicas,
  };
}
