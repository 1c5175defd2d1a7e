import { chooseCheapest } from "../choose-cheapest.ts";
import type { Decision } from "../evaluation.ts";
import { expertsNeedMb } from "../memory-needs.ts";
import { fitMemory, packLayers } from "../pack-layers.ts";
import type { LayerPlan, Plan } from "../plan.ts";
import { smallestSpec } from "../specs.ts";
import { decide, decidePacked, type Request } from "./decide-split.ts";
import { spread } from "./grid-choices.ts";
import type { LayerDemand } from "./layer-demand.ts";

/** Plans that are tried: fewer of more layers, each takes longer. */
const TRIALS = { most: 48, least: 4, ofAllLayers: 64 };

/**
 * The same experts in functions of other sizes and replica counts where that is better. Where functions cost something
 * while they are held or started, layers that share one are worth more than what is best for each layer, and sizes between
 * a grid's are.
 */
export function* resizeFunctions(request: Request, decision: Decision): Generator<void, Decision, void> {
  const { specs, isCold } = request.problem;
  const { plan } = decision.placement;
  if (plan.layers.length === 0) return decision;
  const counts = [null, ...new Set(isCold ? [1, specs.maxReplicas] : [])];
  const { most, least, ofAllLayers } = TRIALS;
  const trials = Math.max(least, Math.min(most, Math.ceil(ofAllLayers / plan.layers.length)));
  const sizes = spread(specs.experts.length, Math.ceil(trials / counts.length)).map((i) => specs.experts[i] as number);
  const decisions = [decision];
  for (const count of counts) {
    for (const memoryMb of sizes) {
      decisions.push(...resize(request, plan, { count, memoryMb }));
      yield;
    }
  }
  return chooseCheapest(decisions);
}

interface FunctionSize {
  /** Replicas of each layer; `null`: as it has. */
  readonly count: number | null;
  /** At least, if its experts fit in that. */
  readonly memoryMb: number;
}

/** Shared as far as there is room, and as small as holds that. */
function resize(request: Request, plan: Plan, size: FunctionSize): Decision[] {
  const layers = plan.layers.flatMap((layer) => resizeLayer(request, layer, size) ?? []);
  if (layers.length < plan.layers.length) return [];
  const alone = { ...plan, layers };
  const packed = packLayers(alone, request.problem.sizes);
  return [...decidePacked(request, { alone, packed }), decide(request, fitMemory(packed, request.problem))];
}

/** `null` where no function has as much memory. */
function resizeLayer(request: Request, layer: LayerPlan, { count, memoryMb }: FunctionSize): LayerPlan | null {
  const { sizes, specs } = request.problem;
  const demand = request.demands[layer.layer] as LayerDemand;
  const remote = layer.remote.length;
  const replicas = count === null ? layer.replicas : demand.replicas(remote, Math.min(count, remote));
  const neededMb = expertsNeedMb(sizes, layer.layer, Math.max(...replicas.map((experts) => experts.length)));
  const fittingMb = smallestSpec(specs.experts, Math.max(neededMb, memoryMb));
  return fittingMb === null ? null : { ...layer, function: `experts-${layer.layer}`, memoryMb: fittingMb, replicas };
}
