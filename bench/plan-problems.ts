import { PRICE_BOOKS } from "../src/ledger/price-books.ts";
import { evaluate, splitDevices } from "../src/planner/evaluate.ts";
import type { Demand, ModelSizes, PlanningProblem, Slo, Specs, Workload } from "../src/planner/problem.ts";
import { DEVICES, HOSTS } from "../src/profile/modelled/hardware.ts";
import type { ModelShape } from "../src/profile/modelled/model-shape.ts";
import { modelledProfile } from "../src/profile/modelled/modelled-profile.ts";
import { syntheticRequests } from "./synthetic-demand.ts";

/** Where models are planned for. */
export interface Setting {
  /** `null` for processors alone. */
  readonly device: string | null;
  readonly host: string;
  readonly prices: string;
}

/** The first one is the paper's; others show where rounding, fees and the lack of a device leave less to win. */
export const SETTINGS = [
  { device: "a100-80gb", host: "xeon-gold-6348", prices: "remoe-paper" },
  { device: null, host: "xeon-gold-6348", prices: "aws-lambda-x86" },
  { device: null, host: "xeon-gold-6348", prices: "kubernetes-m7i" },
] as const satisfies readonly Setting[];

/** Requests of the paper: 500 characters, about 125 tokens, and 200 tokens of answer. */
export const WORKLOAD: Workload = { promptTokens: 125, outputTokens: 200 };

export interface ProblemsOptions {
  readonly shape: ModelShape;
  readonly setting: Setting;
  readonly specs: Specs;
  /** Objectives as multiples of what {@link largestFunction} takes; `null` for none. */
  readonly slack: number | null;
  /** Of each request; at least one. */
  readonly demands: readonly Demand[];
  /** Whether functions have to be started. Defaults to false. */
  readonly isCold?: boolean;
}

/** Requests to a model that is not here, with the same objectives. */
export function planningProblems(options: ProblemsOptions): PlanningProblem[] {
  const { shape, setting, specs, slack, demands, isCold = false } = options;
  const { profile, sizes } = modelledProfile({
    device: setting.device === null ? null : found(DEVICES, setting.device),
    host: found(HOSTS, setting.host),
    shape,
  });
  const problems = demands.map(
    (demand): PlanningProblem => ({
      sizes,
      profile,
      prices: found(PRICE_BOOKS, setting.prices),
      specs,
      workload: WORKLOAD,
      demand,
      slo: { ttftMs: null, tpotMs: null },
      isCold,
      margin: profile.spread,
    }),
  );
  const [first] = problems;
  if (slack === null || first === undefined) return problems;
  const slo = largestFunction(first);
  return problems.map((problem) => ({
    ...problem,
    slo: { ttftMs: slack * slo.ttftMs, tpotMs: slack * slo.tpotMs },
  }));
}

/** What one function of the most memory takes, its experts on the processor. */
export function largestFunction(problem: PlanningProblem): { readonly [Time in keyof Slo]: number } {
  const memoryMb = problem.specs.main.at(-1) ?? 0;
  const placement = { plan: { specMain: { memoryMb }, layers: [] }, devices: splitDevices(problem.profile) };
  return evaluate(problem, placement);
}

/** Predictions for some requests to a model that is not here. */
export function syntheticDemands(shape: ModelShape, from: { readonly count: number; readonly seed: number }): Demand[] {
  return syntheticRequests({ shape, workload: WORKLOAD, ...from }).map(({ predicted }) => predicted);
}

/** Sizes do not depend on the setting. */
export function sizesOf(shape: ModelShape): ModelSizes {
  return modelledProfile({ device: null, host: found(HOSTS, SETTINGS[0].host), shape }).sizes;
}

export function found<T>(all: ReadonlyMap<string, T>, name: string): T {
  const one = all.get(name);
  if (one === undefined) throw new RangeError(`there is no '${name}', only ${[...all.keys()].join(", ")}`);
  return one;
}
