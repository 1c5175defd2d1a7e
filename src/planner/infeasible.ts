import { type RemoeError, remoeError } from "../core/errors.ts";
import { splitDevices } from "./evaluate.ts";
import type { Decision } from "./evaluation.ts";
import { expertsNeedMb, mainNeedMb } from "./memory-needs.ts";
import { kindOf } from "./plan-kind.ts";
import type { ModelSizes, PlanningProblem } from "./problem.ts";
import { worstViolation } from "./violation.ts";

const NAMES = { ttft: "the time to first token", tpot: "the time per output token" } as const;

/**
 * Why there is no plan: the objective that is missed most, or the memory if nothing fits.
 * @param best the decision that misses the objectives least; `null` where nothing fits into the largest sizes
 * @returns PLAN_INFEASIBLE
 */
export function infeasible(problem: PlanningProblem, best: Decision | null): RemoeError {
  const binding = worstViolation(best?.evaluation.violations ?? []);
  if (best === null || binding === null) return tooLarge(problem);
  const { objective, limitMs, expectedMs } = binding;
  const { plan } = best.placement;
  const share = Math.round((problem.margin[kindOf(plan)][objective] - 1) * 100);
  const margin = share > 0 ? ` (with a margin of ${share} %)` : "";
  return remoeError("PLAN_INFEASIBLE", {
    objective: NAMES[objective],
    limit: formatMs(limitMs),
    best: `${formatMs(expectedMs)}${margin}, with a main function of ${plan.specMain.memoryMb} MiB`,
  });
}

function tooLarge({ sizes, specs, profile }: PlanningProblem): RemoeError {
  const remote = sizes.expertMb.map((_, layer) => mostRemote(sizes, layer, specs));
  const neededMb = Math.ceil(mainNeedMb(sizes, splitDevices(profile), remote));
  const expertsMb = Math.max(0, ...specs.experts);
  return remoeError("PLAN_INFEASIBLE", {
    objective: "the main function's memory",
    limit: `${Math.max(0, ...specs.main)} MiB`,
    best: `${neededMb} MiB, with every expert remote that functions of ${expertsMb} MiB hold`,
  });
}

/** Experts of a layer that all replicas of the largest expert function can hold. */
function mostRemote(sizes: ModelSizes, layer: number, { experts, maxReplicas }: PlanningProblem["specs"]): number {
  const roomMb = Math.max(0, ...experts) - expertsNeedMb(sizes, layer, 0);
  const each = Math.floor(Math.max(0, roomMb) / (sizes.expertMb[layer] as number));
  return Math.min(sizes.experts, each * maxReplicas);
}

function formatMs(ms: number): string {
  return `${Number(ms.toPrecision(4))} ms`;
}
