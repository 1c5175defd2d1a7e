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

/** What is asked, and what it activates. */
export type Request = Pick<OptionGrid, "problem" | "demands">;

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
    const plan = toPlan(grid, memoryMb, chosen);
    if (plan !== null) decisions.push(...decideSharing(grid, plan, chosen.sharing));
    yield;
  }
  return decisions.length === 0 ? null : chooseCheapest(decisions);
}

/** As `evaluate` says. */
export function decide({ problem, demands }: Request, plan: Plan): Decision {
  const placement = { plan, devices: splitDevices(problem.profile) };
  const evaluation = evaluate(problem, placement, countsOf(demands));
  return { placement, evaluation, feasible: evaluation.violations.length === 0 };
}

/** A function for each layer; `null` where one does not fit. */
function toPlan(grid: OptionGrid, memoryMb: number, { options }: Chosen): Plan | null {
  const layers = options.flatMap((option) => toLayerPlan(grid, option) ?? []);
  return layers.some((layer) => layer.memoryMb === Number.POSITIVE_INFINITY)
    ? null
    : { specMain: { memoryMb }, layers };
}

/** With functions as given, or shared as far as there is room. */
function decideSharing(request: Request, alone: Plan, sharing: Chosen["sharing"]): Decision[] {
  if (sharing !== undefined) return [decide(request, shareFunctions(alone, sharing))];
  const { sizes, prices } = request.problem;
  const packed = packLayers(alone, sizes);
  const shared = decidePacked(request, { alone, packed });
  return isIdleBilled(prices) ? [...shared, decide(request, fitMemory(packed, request.problem))] : shared;
}

/**
 * Layers that share functions; and each with its own, which may start sooner, where these would be late or others are
 * paid to wait for them.
 */
export function decidePacked(request: Request, { alone, packed }: Packed): Decision[] {
  const { isCold, prices } = request.problem;
  const shared = decide(request, packed);
  const isLate = shared.evaluation.violations.some(({ objective }) => objective === "ttft");
  return isCold && (isLate || isIdleBilled(prices)) ? [shared, decide(request, alone)] : [shared];
}

interface Packed {
  readonly alone: Plan;
  readonly packed: Plan;
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
