import { evaluateLayer } from "./evaluate-layer.ts";
import { withReplicas } from "./largest-plan.ts";
import type { LayerPlan, Plan } from "./plan.ts";
import type { PlanningProblem } from "./problem.ts";

/** A layer with one replica more. */
interface Addition {
  readonly layer: LayerPlan;
  /** ϖ(l) = C(z_l) − C(z_l + 1) */
  readonly potential: number;
}

/**
 * The potential rule of Remoe (arXiv 2512.18674): one replica at a time goes to the layer with the greatest ϖ, as long
 * as the cost falls or the worst-case time to first token is too long (the paper says per output token, but replicas
 * shorten prefill only).
 * @param isFastEnough whether the worst case of a plan keeps the objective
 */
export function* addReplicas(
  problem: PlanningProblem,
  plan: Plan,
  isFastEnough: (plan: Plan) => boolean,
): Generator<void, Plan, void> {
  const { specMain } = plan;
  const layers = [...plan.layers];
  const additions = layers.map((layer) => nextReplica(problem, specMain, layer));
  for (;;) {
    const best = greatest(additions);
    if (best === null) return { specMain, layers };
    const { layer, potential } = additions[best] as Addition;
    if (potential <= 0 && isFastEnough({ specMain, layers })) return { specMain, layers };
    layers[best] = layer;
    additions[best] = nextReplica(problem, specMain, layer);
    yield;
  }
}

/** `null` where there may be no more replicas, or no expert for another. */
function nextReplica(problem: PlanningProblem, specMain: Plan["specMain"], layer: LayerPlan): Addition | null {
  const z = layer.replicas.length + 1;
  if (z > problem.specs.maxReplicas || z > layer.remote.length) return null;
  const next = withReplicas(problem, layer, z);
  const costOf = (each: LayerPlan): number => evaluateLayer(problem, specMain, each).cost;
  return { layer: next, potential: costOf(layer) - costOf(next) };
}

function greatest(additions: readonly (Addition | null)[]): number | null {
  let best: number | null = null;
  for (const [index, addition] of additions.entries()) {
    if (addition === null) continue;
    if (best === null || addition.potential > (additions[best] as Addition).potential) best = index;
  }
  return best;
}
