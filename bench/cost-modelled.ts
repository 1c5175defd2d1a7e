import { evaluate } from "../src/planner/evaluate.ts";
import { bothKinds } from "../src/planner/plan-kind.ts";
import { type Planner, planNow } from "../src/planner/planner.ts";
import { methodNamed } from "./cost-methods.ts";
import { paperSetting, type Setting, type SettingOptions } from "./cost-setting.ts";
import {
  type CostComparison,
  type CostOutcome,
  compareCosts,
  contextOf,
  sizeOf,
  summariseCosts,
} from "./cost-summary.ts";

export interface ModelledCostOptions extends SettingOptions {
  /** Names of methods. */
  readonly methods: readonly string[];
}

/** What each method would cost in the paper's setting: planned on predicted demand, paid for the true one. */
export function modelCosts(options: ModelledCostOptions): CostComparison {
  const setting = paperSetting(options);
  const methods = Object.fromEntries(
    options.methods.map((name) => {
      const outcomes = planEach(methodNamed(name), setting);
      return [name, outcomes === null ? null : summariseCosts(outcomes)];
    }),
  );
  return {
    ...contextOf(setting.base),
    requests: options.requests,
    workload: options.workload,
    methods,
    ...compareCosts(methods),
  };
}

/** What is true is held against the objectives as it is. */
const NO_MARGIN = bothKinds({ ttft: 1, tpot: 1 });

/** `null` if the method has no plan for a request. */
function planEach(planner: Planner, { base, requests }: Setting): CostOutcome[] | null {
  const outcomes: CostOutcome[] = [];
  for (const { predicted, actual } of requests) {
    const decision = planNow(planner, { ...base, demand: predicted });
    if (decision === null) return null;
    const { placement, feasible: isFeasible } = decision;
    const { cost, ttftMs, tpotMs, violations } = evaluate({ ...base, demand: actual, margin: NO_MARGIN }, placement);
    outcomes.push({
      cost,
      ttftMs,
      tpotMs,
      isFeasible,
      isMet: violations.length === 0,
      ...sizeOf(placement.plan),
    });
  }
  return outcomes;
}
