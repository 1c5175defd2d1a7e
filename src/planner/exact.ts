import { UNSPLIT } from "./baselines/whole-planner.ts";
import { chooseCheapest, isBetter, type Merit } from "./choose-cheapest.ts";
import { mainStart } from "./cold-starts.ts";
import { splitDevices } from "./evaluate.ts";
import type { Decision } from "./evaluation.ts";
import { type Budget, budgetOf } from "./joint/budget.ts";
import { decideSplit } from "./joint/decide-split.ts";
import { LayerDemand } from "./joint/layer-demand.ts";
import { type MainFunction, mainFunction } from "./joint/main-function.ts";
import { OptionGrid } from "./joint/option-grid.ts";
import { OptionTerms } from "./joint/option-terms.ts";
import type { Planner } from "./planner.ts";
import type { PlanningProblem } from "./problem.ts";

/**
 * The optimum of what `remoe` looks for, to compare it with on small problems: for every main memory all combinations of
 * the layers' options, without those that another one beats or equals in everything. Takes exponential time. Functions
 * are shared where that is better for the plan found; it does not look for what would be best to share.
 */
export const exact: Planner = {
  name: "exact",
  *plan(problem) {
    const terms = new OptionTerms(allOptions(problem));
    const decisions: (Decision | null)[] = [];
    for (const planner of UNSPLIT) decisions.push(yield* planner.plan(problem));
    for (const isKept of [true, false]) {
      for (const memoryMb of problem.specs.main) decisions.push(yield* bestOf(terms, memoryMb, isKept));
      const found = decisions.filter((decision) => decision !== null);
      if (found.some(({ feasible }) => feasible)) return chooseCheapest(found);
    }
    const found = decisions.filter((decision) => decision !== null);
    return found.length === 0 ? null : chooseCheapest(found);
  },
};

/** Options of the layers so far. Of every field less is better. */
interface Partial {
  readonly cost: number;
  readonly tokenMs: number;
  readonly prefillMs: number;
  readonly unsavedMb: number;
  readonly longestStartMs: number;
  /** Places in the grid. */
  readonly options: readonly number[];
}

function allOptions(problem: PlanningProblem): OptionGrid {
  const { sizes, specs } = problem;
  const demands = sizes.expertMb.map((_, layer) => new LayerDemand(problem, layer));
  const replicas = Array.from({ length: specs.maxReplicas }, (_, i) => i + 1);
  const columns = replicas.flatMap((z) => specs.experts.map((memoryMb) => ({ memoryMb, replicas: z })));
  const all = Array.from({ length: sizes.experts + 1 }, (_, r) => r);
  const counts = demands.map(() => all);
  const grid = new OptionGrid(problem, demands, { counts, columns });
  for (const layer of demands.keys()) grid.fillLayer(layer);
  return grid;
}

/** @param isKept whether only what meets the objectives is of interest */
function* bestOf(terms: OptionTerms, memoryMb: number, isKept: boolean): Generator<void, Decision | null, void> {
  const { problem, demands } = terms.grid;
  const { profile } = problem;
  const main = mainFunction(problem, { memoryMb, devices: splitDevices(profile), times: profile.split });
  const budget = budgetOf(problem, main);
  yield* terms.fill(main, budget);
  let partials: Partial[] = [
    { cost: 0, tokenMs: 0, prefillMs: 0, unsavedMb: budget.savedMb, longestStartMs: 0, options: [] },
  ];
  const layers = [...demands.keys()].map((layer) => undominated(layerOptions(terms, layer), problem));
  for (const [layer, own] of layers.entries()) {
    const joined = partials.flatMap((partial) => own.map((option) => join(partial, option, problem)));
    const rest = leastOf(layers.slice(layer + 1));
    partials = undominated(
      joined.filter((partial) => !isKept || canKeep(problem, budget, { partial, rest })),
      problem,
    );
  }
  const fitting = partials.filter(({ unsavedMb }) => unsavedMb <= 0);
  const finalists = areStartsAlone(problem) ? best(fitting, (partial) => meritOf(problem, main, partial)) : fitting;
  return yield* decideSplit(terms.grid, memoryMb, finalists);
}

/** Starts that slow each other down are no sum or maximum of the layers' own. */
function areStartsAlone({ isCold, profile }: PlanningProblem): boolean {
  return !isCold || profile.coldStart.parallel === null;
}

/** Times that no objective asks for are 0: beyond their cost they decide nothing. */
function layerOptions({ grid, cost, tokenMs, prefillMs }: OptionTerms, layer: number): Partial[] {
  const { slo, workload } = grid.problem;
  const isTpotAsked = slo.tpotMs !== null && workload.outputTokens > 0;
  const first = grid.firstOf(layer);
  const options = Array.from({ length: grid.firstOf(layer + 1) - first }, (_, i) => first + i);
  return options
    .filter((at) => Number.isFinite(cost[at]))
    .map((at) => ({
      cost: cost[at] as number,
      tokenMs: isTpotAsked ? (tokenMs[at] as number) : 0,
      prefillMs: slo.ttftMs === null ? 0 : (prefillMs[at] as number),
      unsavedMb: -grid.rowOf(at).savedMb,
      longestStartMs: slo.ttftMs === null ? 0 : (grid.longestStartMs[at] as number),
      options: [at],
    }));
}

/** Warm, nothing is gained by saving more memory than is needed. */
function join(a: Partial, b: Partial, { isCold }: PlanningProblem): Partial {
  const unsavedMb = a.unsavedMb + b.unsavedMb;
  return {
    cost: a.cost + b.cost,
    tokenMs: a.tokenMs + b.tokenMs,
    prefillMs: a.prefillMs + b.prefillMs,
    unsavedMb: isCold ? unsavedMb : Math.max(0, unsavedMb),
    longestStartMs: Math.max(a.longestStartMs, b.longestStartMs),
    options: [...a.options, ...b.options],
  };
}

interface Least {
  readonly tokenMs: number;
  readonly prefillMs: number;
  readonly unsavedMb: number;
}

/** What some layers add at least. */
function leastOf(layers: readonly (readonly Partial[])[]): Least {
  const least = (field: keyof Least): number =>
    layers.reduce((sum, own) => sum + Math.min(...own.map((option) => option[field])), 0);
  return { tokenMs: least("tokenMs"), prefillMs: least("prefillMs"), unsavedMb: least("unsavedMb") };
}

/** Whether the other layers could still be such that the limits hold; a cold start is not counted. */
function canKeep(problem: PlanningProblem, budget: Budget, { partial, rest }: { partial: Partial; rest: Least }) {
  return (
    partial.unsavedMb + rest.unsavedMb <= 0 &&
    partial.tokenMs + rest.tokenMs <= budget.tokenMs &&
    (problem.isCold || partial.prefillMs + rest.prefillMs <= budget.ttftMs)
  );
}

function undominated(partials: Partial[], problem: PlanningProblem): Partial[] {
  if (!areStartsAlone(problem)) return partials;
  const kept: Partial[] = [];
  for (const partial of partials.sort((a, b) => a.cost - b.cost)) {
    if (!kept.some((other) => dominates(other, partial))) kept.push(partial);
  }
  return kept;
}

/** Of one that costs no more. */
function dominates(a: Partial, b: Partial): boolean {
  return (
    a.tokenMs <= b.tokenMs &&
    a.prefillMs <= b.prefillMs &&
    a.unsavedMb <= b.unsavedMb &&
    a.longestStartMs <= b.longestStartMs
  );
}

function meritOf(problem: PlanningProblem, main: MainFunction, partial: Partial): Merit {
  const { slo, margin, profile, sizes, isCold } = problem;
  const { fixedMs, perMb } = mainStart(profile, splitDevices(profile));
  const localMb = partial.unsavedMb + main.memoryMb - sizes.mainBaseMb;
  const coldStartMs = isCold ? Math.max(partial.longestStartMs, fixedMs + perMb * localMb) : 0;
  const ttftMs = profile.overhead.gatewayMs + coldStartMs + main.prefillMs + partial.prefillMs;
  const tpotMs = problem.workload.outputTokens === 0 ? 0 : main.tokenMs + partial.tokenMs;
  const ttft = (margin.split.ttft * ttftMs) / (slo.ttftMs ?? Number.POSITIVE_INFINITY);
  const tpot = (margin.split.tpot * tpotMs) / (slo.tpotMs ?? Number.POSITIVE_INFINITY);
  return { miss: Math.max(1, ttft, tpot), cost: partial.cost };
}

/** None or one. */
function best<T>(candidates: readonly T[], merit: (candidate: T) => Merit): T[] {
  let [found, foundMerit]: [T | null, Merit | null] = [null, null];
  for (const each of candidates) {
    const own = merit(each);
    if (foundMerit !== null && !isBetter(own, foundMerit)) continue;
    [found, foundMerit] = [each, own];
  }
  return found === null ? [] : [found];
}
