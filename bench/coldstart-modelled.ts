import { coldStarts, mainStart } from "../src/planner/cold-starts.ts";
import { planNow } from "../src/planner/planner.ts";
import type { PlanningProblem } from "../src/planner/problem.ts";
import {
  type ColdStartComparison,
  type ColdStartOutcome,
  compareStarts,
  summariseStarts,
} from "./coldstart-summary.ts";
import { methodNamed } from "./cost-methods.ts";
import { paperSetting } from "./cost-setting.ts";
import { contextOf, sizeOf } from "./cost-summary.ts";
import { WORKLOAD } from "./plan-problems.ts";

export interface ModelledStartOptions {
  readonly model: string;
  /** Names of methods. */
  readonly methods: readonly string[];
  /** Of each method: as many requests are planned. */
  readonly starts: number;
}

/** What the functions of each method would take to start in the paper's setting. */
export function modelStarts({ model, methods: names, starts }: ModelledStartOptions): ColdStartComparison {
  const { base, requests } = paperSetting({ model, workload: WORKLOAD, requests: starts });
  const methods = Object.fromEntries(
    names.map((name) => {
      const outcomes = requests.map(({ predicted }) => startOf(name, { ...base, demand: predicted }));
      const known = outcomes.filter((outcome) => outcome !== null);
      return [name, known.length < starts ? null : summariseStarts(known)];
    }),
  );
  return {
    ...contextOf(base),
    starts,
    methods,
    ...compareStarts(methods),
  };
}

/** Those that decide for each prompt. */
const PREDICTING = ["paper", "remoe"];

function startOf(name: string, problem: PlanningProblem): ColdStartOutcome | null {
  const decision = planNow(methodNamed(name), problem);
  if (decision === null) return null;
  const { plan } = decision.placement;
  const [main = { ms: 0 }, ...experts] = coldStarts(problem, decision.placement);
  const containerMs = mainStart(problem.profile, decision.placement.devices).fixedMs;
  const remoteMs = Math.max(0, ...experts.map(({ ms }) => ms));
  // What the setting assumes for everything in the gateway.
  const calculateMs = PREDICTING.includes(name) ? problem.profile.overhead.gatewayMs : 0;
  return {
    containerMs,
    loadMs: main.ms - containerMs,
    remoteMs,
    calculateMs,
    totalMs: calculateMs + Math.max(main.ms, remoteMs),
    ...sizeOf(plan),
  };
}
