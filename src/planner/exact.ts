import { createWholePlanner } from "./baselines/whole-planner.ts";
import { chooseCheapest, isBetter, type Merit } from "./choose-cheapest.ts";
import { splitDevices } from "./evaluate.ts";
import type { Decision } from "./evaluation.ts";
import { type Budget, budgetOf } from "./joint/budget.ts";
import { decideSplit } from "./joint/decide-split.ts";
import { LayerDemand } from "./joint/layer-demand.ts";
import { type MainFunction, mainFunction } from "./joint/main-function.ts";
import { OptionGrid } from "./joint/option-grid.ts";
import { OptionTimes } from "./joint/option-times.ts";
import type { Planner } from "./planner.ts";
import type { PlanningProblem } from "./problem.ts";

/**
 * The optimum of what `remoe` looks for, to compare it with on small problems: for every main memory all combinations of
 * the layers' options, without those that another one beats or equals in everything. Takes exponential time.
 */
export const exact: Planner = {
  name: "exact",
  *plan(problem) {
    const decisions: (Decision | null)[] = [];
    for (const devices of ["cpu", "mix"] as const) decisions.push(yield* createWholePlanner(devices).plan(problem));
    const times = new OptionTimes(allOptions(problem));
    for (const memoryMb of problem.specs.main) {
      decisions.push(bestOf(times, memoryMb));
      yield;
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
  const counts = Array.from({ length: sizes.experts + 1 }, (_, r) => r);
  const grid = new OptionGrid(problem, demands, { counts, columns });
  for (const layer of demands.keys()) grid.fillLayer(layer);
  return grid;
}

function bestOf(times: OptionTimes, memoryMb: number): Decision | null {
  const { problem, demands } = times.grid;
  const { profile } = problem;
  const main = mainFunction(problem, { memoryMb, devices: splitDevices(profile), times: profile.split });
  const budget = budgetOf(problem, main);
  times.fill(main);
  let partials: Partial[] = [
    { cost: 0, tokenMs: 0, prefillMs: 0, unsavedMb: budget.savedMb, longestStartMs: 0, options: [] },
  ];
  for (const layer of demands.keys()) {
    const own = undominated(layerOptions(times, budget, layer), problem);
    partials = undominated(
      partials.flatMap((partial) => own.map((option) => join(partial, option))),
      problem,
    );
  }
  const fitting = partials.filter(({ unsavedMb }) => unsavedMb <= 0);
  const finalists = problem.isCold ? fitting : best(fitting, (partial) => meritOf(problem, main, partial));
  return decideSplit(times.grid, memoryMb, finalists);
}

function layerOptions({ grid, decodeMs, prefillMs }: OptionTimes, budget: Budget, layer: number): Partial[] {
  const options = Array.from({ length: grid.width }, (_, i) => layer * grid.width + i);
  return options
    .filter((at) => Number.isFinite(grid.cost[at]))
    .map((at) => ({
      cost:
        (grid.cost[at] as number) +
        budget.tokenPrice * (decodeMs[at] as number) +
        budget.prefillPrice * (prefillMs[at] as number) -
        budget.savedPrice * grid.savedMbOf(at),
      tokenMs: decodeMs[at] as number,
      prefillMs: prefillMs[at] as number,
      unsavedMb: -grid.savedMbOf(at),
      longestStartMs: grid.longestStartMs[at] as number,
      options: [at],
    }));
}

function join(a: Partial, b: Partial): Partial {
  return {
    cost: a.cost + b.cost,
    tokenMs: a.tokenMs + b.tokenMs,
    prefillMs: a.prefillMs + b.prefillMs,
    unsavedMb: a.unsavedMb + b.unsavedMb,
    longestStartMs: Math.max(a.longestStartMs, b.longestStartMs),
    options: [...a.options, ...b.options],
  };
}

/** Starts that slow each other down do not add up: then nothing is left out. */
function undominated(partials: Partial[], { isCold, profile }: PlanningProblem): Partial[] {
  if (isCold && profile.coldStart.parallel !== null) return partials;
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

/** Of a warm one. */
function meritOf({ slo, margin, profile }: PlanningProblem, main: MainFunction, partial: Partial): Merit {
  const tpotMs = margin.tpot * (main.tokenMs + partial.tokenMs);
  const ttftMs = margin.ttft * (profile.overhead.gatewayMs + main.prefillMs + partial.prefillMs);
  const misses = [tpotMs / (slo.tpotMs ?? Number.POSITIVE_INFINITY), ttftMs / (slo.ttftMs ?? Number.POSITIVE_INFINITY)];
  return { miss: Math.max(1, ...misses), cost: partial.cost };
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
