import { chooseCheapest } from "../choose-cheapest.ts";
import { evaluate, splitDevices } from "../evaluate.ts";
import type { Decision } from "../evaluation.ts";
import { expertsNeedMb, mainNeedMb } from "../memory-needs.ts";
import { packLayers } from "../pack-layers.ts";
import type { Plan } from "../plan.ts";
import type { PlanningProblem } from "../problem.ts";
import { smallestSpec } from "../specs.ts";
import { countsOf, type LayerDemand } from "./layer-demand.ts";

const RATIOS = [1, 0.9, 0.75, 0.5, 0.25];
/** Expert functions of so many times the memory that their experts need: more processors. */
const ROOM = [1, 2, 4];

/** The paper's uniform share of every layer, at a few sizes: the joint search must not end above these. */
export function* uniformStarts(
  problem: PlanningProblem,
  demands: readonly LayerDemand[],
): Generator<void, Decision | null, void> {
  const devices = splitDevices(problem.profile);
  const counts = countsOf(demands);
  const decisions: Decision[] = [];
  for (const ratio of RATIOS) {
    for (const room of ROOM) {
      const plan = uniformPlan(problem, demands, { count: Math.round(ratio * problem.sizes.experts), room });
      if (plan === null) continue;
      const placement = { plan, devices };
      const evaluation = evaluate(problem, placement, counts);
      decisions.push({ placement, evaluation, feasible: evaluation.violations.length === 0 });
      yield;
    }
  }
  return decisions.length === 0 ? null : chooseCheapest(decisions);
}

/** `null` where it fits into no spec, or makes nothing remote. */
function uniformPlan(
  { sizes, specs, profile }: PlanningProblem,
  demands: readonly LayerDemand[],
  { count, room }: { readonly count: number; readonly room: number },
): Plan | null {
  const needMb = Math.max(...demands.map((_, layer) => expertsNeedMb(sizes, layer, count)));
  const expertsMb = smallestSpec(specs.experts, room * needMb);
  const mainMb = smallestSpec(
    specs.main,
    mainNeedMb(
      sizes,
      splitDevices(profile),
      demands.map(() => count),
    ),
  );
  if (count === 0 || expertsMb === null || mainMb === null) return null;
  const layers = demands.map((demand, layer) => {
    const remote = demand.remote(count);
    return { layer, remote, function: `experts-${layer}`, memoryMb: expertsMb, replicas: [remote] };
  });
  return packLayers({ specMain: { memoryMb: mainMb }, layers }, sizes);
}
