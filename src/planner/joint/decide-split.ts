import { chooseCheapest } from "../choose-cheapest.ts";
import { evaluate, splitDevices } from "../evaluate.ts";
import type { Decision } from "../evaluation.ts";
import { fitMemory, packLayers, shareFunctions } from "../pack-layers.ts";
import type { Plan } from "../plan.ts";
import { isIdleBilled } from "../rates.ts";
import type { LayerDemand } from "./layer-demand.ts";
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
  const { problem, demands } = grid;
  const devices = splitDevices(problem.profile);
  const shares = (layer: number, remote: readonly number[]): Float64Array =>
    (demands[layer] as LayerDemand).shares(remote.length);
  const decisions: Decision[] = [];
  for (const chosen of choices) {
    for (const plan of toPlans(grid, memoryMb, chosen)) {
      const placement = { plan, devices };
      const evaluation = evaluate(problem, placement, shares);
      decisions.push({ placement, evaluation, feasible: evaluation.violations.length === 0 });
    }
    yield;
  }
  return decisions.length === 0 ? null : chooseCheapest(decisions);
}

/** Shared functions first; where starting them may take longer, also one for each layer. */
function toPlans(grid: OptionGrid, memoryMb: number, { options, sharing }: Chosen): Plan[] {
  const layers = options
    .filter((option) => grid.rowOf(option).remote > 0)
    .map((option) => {
      const { layer, remote } = grid.rowOf(option);
      const { memoryMb: layerMb, replicas } = grid.columnOf(option);
      const demand = grid.demands[layer] as LayerDemand;
      return {
        layer,
        remote: demand.order.slice(0, remote).sort((a, b) => a - b),
        function: `experts-${layer}`,
        memoryMb: layerMb,
        replicas: demand.replicas(remote, replicas),
      };
    });
  const plan = { specMain: { memoryMb }, layers };
  if (sharing !== undefined) return [shareFunctions(plan, sharing)];
  const packed = packLayers(plan, grid.problem.sizes);
  return [
    packed,
    ...(grid.problem.isCold ? [plan] : []),
    ...(isIdleBilled(grid.problem.prices) ? [fitMemory(packed, grid.problem)] : []),
  ];
}
