import { describe, expect, it } from "vitest";
import { chooseCheapest } from "./choose-cheapest.ts";
import { evaluate, splitDevices } from "./evaluate.ts";
import type { Decision } from "./evaluation.ts";
import { exact } from "./exact.ts";
import { expertsNeedMb, mainNeedMb } from "./memory-needs.ts";
import { packLayers } from "./pack-layers.ts";
import type { LayerPlan } from "./plan.ts";
import { planNow } from "./planner.ts";
import type { PlanningProblem } from "./problem.ts";
import { randomInstance, withIdlePrices } from "./testing/random-instance.ts";

/** Every plan of one replica a layer, each layer in a function of its own and sharing one, evaluated one by one. */
function exhaustive(problem: PlanningProblem): Decision | null {
  const { sizes, specs, profile, demand } = problem;
  const layerPlans = (layer: number): (LayerPlan | null)[] => {
    const share = (expert: number): number => demand.matrix[layer * sizes.experts + expert] as number;
    const order = Array.from({ length: sizes.experts }, (_, expert) => expert).sort((a, b) => share(a) - share(b));
    const plans = order.flatMap((_, i) =>
      specs.experts
        .filter((memoryMb) => memoryMb >= expertsNeedMb(sizes, layer, i + 1))
        .map((memoryMb) => {
          const remote = order.slice(0, i + 1);
          return { layer, remote, function: `experts-${layer}`, memoryMb, replicas: [remote] };
        }),
    );
    return [null, ...plans];
  };
  let combinations: LayerPlan[][] = [[]];
  for (let layer = 0; layer < sizes.layers; layer++) {
    combinations = combinations.flatMap((layers) => layerPlans(layer).map((own) => (own ? [...layers, own] : layers)));
  }
  const decisions = combinations.flatMap((layers) => {
    const isSplit = layers.length > 0;
    const places = isSplit ? [splitDevices(profile)] : (["cpu", ...(profile.mix ? ["mix"] : [])] as ("cpu" | "mix")[]);
    const remote = sizes.expertMb.map((_, layer) => layers.find((each) => each.layer === layer)?.remote.length ?? 0);
    return places.flatMap((devices) =>
      specs.main
        .filter((memoryMb) => memoryMb >= mainNeedMb(sizes, devices, remote))
        .flatMap((memoryMb) => {
          const plan = { specMain: { memoryMb }, layers };
          return [plan, packLayers(plan, sizes)].map((each): Decision => {
            const placement = { plan: each, devices };
            const evaluation = evaluate(problem, placement);
            return { placement, evaluation, feasible: evaluation.violations.length === 0 };
          });
        }),
    );
  });
  return decisions.length === 0 ? null : chooseCheapest(decisions);
}

/** The two first layers with three experts of an instance and two sizes of functions. */
function tiny(seed: number): PlanningProblem {
  const { demand, sizes, specs, ...rest } = randomInstance(seed, { isCold: false });
  const [experts, k] = [3, 1];
  const expertMb = sizes.expertMb.slice(0, 2);
  const matrix = Float32Array.from([0, 1].flatMap((layer) => [0.5, 0.2, 0.3].map((share) => share + 0.01 * layer)));
  const sets = demand.sets.slice(0, 2).map(({ experts: chosen, weights }) => ({
    experts: Uint16Array.from(weights, (_, i) => (chosen[i * sizes.expertsPerToken] as number) % experts),
    weights,
  }));
  return {
    ...rest,
    sizes: { ...sizes, layers: 2, experts, expertsPerToken: k, expertMb },
    specs: { main: specs.main, experts: specs.experts.slice(0, 2), maxReplicas: 1 },
    demand: { matrix, sets },
  };
}

/** Objectives as shares of what the cheapest plan takes. */
function withObjectives(problem: PlanningProblem, { evaluation }: Decision, share: number): PlanningProblem {
  const { ttftMs, tpotMs } = evaluation;
  return { ...problem, slo: { ttftMs: share * ttftMs + 1, tpotMs: tpotMs > 0 ? share * tpotMs : null } };
}

describe("the exact planner", () => {
  const seeds = Array.from({ length: 25 }, (_, seed) => seed);

  it.each([0.1, 1])(
    "finds what trying every plan finds, with idle time at %f times the price of busy time",
    (share) => {
      for (const seed of seeds) {
        const problem = withIdlePrices(tiny(seed), share);
        const [found, best] = [planNow(exact, problem), exhaustive(problem)];
        expect((found?.evaluation.cost ?? 0) / (best?.evaluation.cost ?? 1)).toBeCloseTo(1, 9);
      }
    },
  );

  it.each([0.2, 0.8, 0.95, 2])("finds what trying every plan finds, with objectives at %f of the cheapest", (share) => {
    for (const seed of seeds) {
      const cheapest = exhaustive(tiny(seed));
      if (cheapest === null) continue;
      const problem = withObjectives(tiny(seed), cheapest, share);
      const [found, best] = [planNow(exact, problem), exhaustive(problem)];
      expect(found?.feasible).toBe(best?.feasible);
      if (best?.feasible) expect((found?.evaluation.cost ?? 0) / best.evaluation.cost).toBeCloseTo(1, 9);
    }
  });
});
