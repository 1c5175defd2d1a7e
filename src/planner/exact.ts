import { UNSPLIT } from "./baselines/whole-planner.ts";
import { chooseCheapest, isBetter, type Merit, toMerit } from "./choose-cheapest.ts";
import { mainStart } from "./cold-starts.ts";
import { splitDevices } from "./evaluate.ts";
import type { Decision } from "./evaluation.ts";
import { type Budget, budgetOf } from "./joint/budget.ts";
import { decideSplit } from "./joint/decide-split.ts";
import { LayerDemand } from "./joint/layer-demand.ts";
import { type MainFunction, mainFunction } from "./joint/main-function.ts";
import { type Column, OptionGrid } from "./joint/option-grid.ts";
import { OptionTerms } from "./joint/option-terms.ts";
import type { Planner } from "./planner.ts";
import type { PlanningProblem, Slo } from "./problem.ts";
import { isIdleBilled, rateOf } from "./rates.ts";

/**
 * The optimum of what `remoe` looks for, to compare it with on small problems: for every main memory all combinations of
 * the layers' options, without those that another one beats or equals in everything. Takes exponential time. Where idle
 * functions cost nothing, functions are shared where that is better for the plan found; it does not look for what would be
 * best to share. Where they do, it looks at every way to share them; cold, without what waiting for other starts costs.
 */
export const exact: Planner = {
  name: "exact",
  *plan(problem) {
    const terms = new OptionTerms(allOptions(problem));
    const decisions: Decision[] = [];
    const add = (decision: Decision | null): void => {
      if (decision !== null) decisions.push(decision);
    };
    for (const planner of UNSPLIT) add(yield* planner.plan(problem));
    for (const isKept of [true, false]) {
      for (const memoryMb of problem.specs.main) add(yield* bestOf(terms, memoryMb, interestIn(decisions, isKept)));
      if (decisions.some(({ feasible }) => feasible)) break;
    }
    return decisions.length === 0 ? null : chooseCheapest(decisions);
  },
};

/** What may be better than what there is: no further from the objectives than so many times their limits, and cheaper. */
interface Interest {
  readonly miss: number;
  readonly below: number;
}

/** @param isKept whether only what meets the objectives is of interest */
function interestIn(decisions: readonly Decision[], isKept: boolean): Interest {
  const feasible = decisions.filter((decision) => decision.feasible);
  if (isKept) return { miss: 1, below: Math.min(...feasible.map(({ evaluation }) => evaluation.cost)) };
  const miss = Math.min(...decisions.map(({ evaluation }) => toMerit(evaluation).miss));
  return { miss: miss * ROUNDING, below: Number.POSITIVE_INFINITY };
}

/** Sums in another order differ in their last digits. */
const ROUNDING = 1 + 1e-9;

/** Options of the layers so far. Of every field less is better. */
interface Partial {
  /** Without what functions cost while they are idle; and without what they would cost if they did nothing. */
  readonly cost: number;
  readonly callsCost: number;
  readonly tokenMs: number;
  readonly prefillMs: number;
  readonly unsavedMb: number;
  readonly longestStartMs: number;
  /** Places in the grid. */
  readonly options: readonly number[];
  /** Where idle functions cost something: what is held. */
  readonly functions: readonly HeldFunction[];
}

/** An expert function of one layer or of several. */
interface HeldFunction extends Column {
  readonly layers: readonly number[];
  /** Of each instance. */
  readonly weightsMb: readonly number[];
  readonly idlePerMs: number;
  /** Of its calls. */
  readonly billedMs: number;
}

const NOTHING: Partial = {
  cost: 0,
  callsCost: 0,
  tokenMs: 0,
  prefillMs: 0,
  unsavedMb: 0,
  longestStartMs: 0,
  options: [],
  functions: [],
};

function allOptions(problem: PlanningProblem): OptionGrid {
  const { sizes, specs } = problem;
  const demands = sizes.expertMb.map((_, layer) => new LayerDemand(problem, layer));
  const replicas = Array.from({ length: specs.maxReplicas }, (_, i) => i + 1);
  const columns = replicas.flatMap((z) => specs.experts.map((memoryMb) => ({ memoryMb, replicas: z })));
  const all = Array.from({ length: sizes.experts + 1 }, (_, r) => r);
  const counts = demands.map(() => all);
  const grid = new OptionGrid(problem, demands, { counts, columns, isEven: false });
  for (const layer of demands.keys()) grid.fillLayer(layer);
  return grid;
}

function* bestOf(terms: OptionTerms, memoryMb: number, interest: Interest): Generator<void, Decision | null, void> {
  const { problem, demands } = terms.grid;
  const { profile } = problem;
  const main = mainFunction(problem, { memoryMb, devices: splitDevices(profile), times: profile.split });
  const budget = budgetOf(problem, main);
  const allowed = budgetOf({ ...problem, slo: timesSlo(problem.slo, interest.miss) }, main);
  terms.fill(main, budget, { from: 0, end: terms.grid.columns.length });
  let partials: Partial[] = [{ ...NOTHING, unsavedMb: budget.savedMb }];
  const layers = [...demands.keys()].map((layer) => undominated(layerOptions(terms, layer), problem));
  for (const [layer, own] of layers.entries()) {
    const joined = joinAll(partials, own, problem);
    const rest = leastOf(layers.slice(layer + 1));
    // Cold, layers that share a function's start may cost less.
    const isCheap = (partial: Partial): boolean =>
      problem.isCold || leastCostOf(problem, budget, { partial, rest }) < interest.below;
    const isOfInterest = (partial: Partial): boolean =>
      canKeep(problem, allowed, { partial, rest }) && isCheap(partial);
    partials = undominated(joined.filter(isOfInterest), problem);
    yield;
  }
  const fitting = partials.filter(({ unsavedMb }) => unsavedMb <= 0);
  const merit = (partial: Partial): Merit => meritOf(problem, { main, budget }, partial);
  const finalists = areStartsAlone(problem) ? best(fitting, merit) : fitting;
  const isShared = isIdleBilled(problem.prices);
  const chosen = finalists.map(({ options, functions }) =>
    isShared ? { options, sharing: functions.map((each) => each.layers) } : { options },
  );
  return yield* decideSplit(terms.grid, memoryMb, chosen);
}

function timesSlo({ ttftMs, tpotMs }: Slo, factor: number): Slo {
  return { ttftMs: ttftMs && ttftMs * factor, tpotMs: tpotMs && tpotMs * factor };
}

/** Starts that slow each other down are no sum or maximum of the layers' own. */
function areStartsAlone({ isCold, profile }: PlanningProblem): boolean {
  return !isCold || profile.coldStart.parallel === null;
}

/** Times that no objective asks for are 0: beyond their cost they decide nothing. */
function layerOptions({ grid, cost, tokenMs, prefillMs }: OptionTerms, layer: number): Partial[] {
  const { slo, workload, prices } = grid.problem;
  const isHeld = isIdleBilled(prices);
  const isTpotAsked = isHeld || (slo.tpotMs !== null && workload.outputTokens > 0);
  const isTtftAsked = isHeld || slo.ttftMs !== null;
  const options = Array.from(
    { length: grid.firstOf(layer + 1) - grid.firstOf(layer) },
    (_, i) => grid.firstOf(layer) + i,
  );
  return options
    .filter((at) => Number.isFinite(cost[at]))
    .map((at) => {
      const functions = isHeld && grid.rowOf(at).remote > 0 ? [functionOf(grid, at)] : [];
      return {
        cost: (cost[at] as number) + idleCost(functions, 0),
        callsCost: cost[at] as number,
        tokenMs: isTpotAsked ? (tokenMs[at] as number) : 0,
        prefillMs: isTtftAsked ? (prefillMs[at] as number) : 0,
        unsavedMb: -grid.rowOf(at).savedMb,
        longestStartMs: slo.ttftMs === null ? 0 : (grid.longestStartMs[at] as number),
        options: [at],
        functions,
      };
    });
}

function functionOf(grid: OptionGrid, at: number): HeldFunction {
  const { layer, remote } = grid.rowOf(at);
  const { memoryMb, replicas } = grid.columnOf(at);
  const { sizes, prices } = grid.problem;
  const loads = (grid.demands[layer] as LayerDemand).replicaLoads(remote, replicas);
  return {
    memoryMb,
    replicas,
    layers: [layer],
    weightsMb: loads.map(({ experts }) => experts * (sizes.expertMb[layer] as number)),
    idlePerMs: rateOf({ memoryMb, gpuMemoryMb: 0 }, prices).idlePerMs,
    billedMs: grid.billedMs[at] as number,
  };
}

type Functions = Partial["functions"];

/** All of some layers with all of another, in each way to share functions. */
function joinAll(partials: readonly Partial[], own: readonly Partial[], problem: PlanningProblem): Partial[] {
  const joined: Partial[] = [];
  // Warm, nothing is gained by saving more memory than is needed.
  const least = problem.isCold ? Number.NEGATIVE_INFINITY : 0;
  for (const partial of partials) {
    for (const option of own) {
      for (const functions of waysToShare(partial.functions, option.functions, problem)) {
        joined.push({
          cost: partial.cost + option.cost,
          callsCost: partial.callsCost + option.callsCost,
          tokenMs: partial.tokenMs + option.tokenMs,
          prefillMs: partial.prefillMs + option.prefillMs,
          unsavedMb: Math.max(least, partial.unsavedMb + option.unsavedMb),
          longestStartMs: Math.max(partial.longestStartMs, option.longestStartMs),
          options: [...partial.options, ...option.options],
          functions,
        });
      }
    }
  }
  return joined;
}

/** One function more, or in one of those there are; in the order of their sizes. */
function waysToShare(functions: Functions, [own]: Functions, problem: PlanningProblem): Functions[] {
  if (own === undefined) return [functions];
  const shared = functions.flatMap((each, i) => {
    const merged = merge(each, own, problem);
    return merged === null ? [] : [functions.with(i, merged)];
  });
  return [[...functions, own], ...shared].map((all) => all.sort(inOrder));
}

/** `null` where they are not alike, or have no room together. */
function merge(a: HeldFunction, b: HeldFunction, { sizes }: PlanningProblem): HeldFunction | null {
  if (a.memoryMb !== b.memoryMb || a.replicas !== b.replicas) return null;
  const weightsMb = a.weightsMb.map((mb, instance) => mb + (b.weightsMb[instance] as number));
  if (Math.max(...weightsMb) + sizes.expertsBaseMb > a.memoryMb) return null;
  return { ...a, layers: [...a.layers, ...b.layers], weightsMb, billedMs: a.billedMs + b.billedMs };
}

function inOrder(a: HeldFunction, b: HeldFunction): number {
  return a.memoryMb - b.memoryMb || a.replicas - b.replicas || Math.max(...a.weightsMb) - Math.max(...b.weightsMb);
}

interface Least {
  readonly callsCost: number;
  readonly tokenMs: number;
  readonly prefillMs: number;
  readonly unsavedMb: number;
}

/** What some layers add at least. */
function leastOf(layers: readonly (readonly Partial[])[]): Least {
  const least = (of: (partial: Partial) => number): number =>
    layers.reduce((sum, own) => sum + Math.min(...own.map(of)), 0);
  return {
    callsCost: least(({ callsCost }) => callsCost),
    tokenMs: least(({ tokenMs }) => tokenMs),
    prefillMs: least(({ prefillMs }) => prefillMs),
    unsavedMb: least(({ unsavedMb }) => unsavedMb),
  };
}

/** What functions cost that do nothing in so much time; no less than for the time that their calls are billed. */
function idleCost(functions: readonly HeldFunction[], workMs: number): number {
  return functions.reduce(
    (sum, { replicas, billedMs, idlePerMs }) => sum + Math.max(billedMs, replicas * workMs) * idlePerMs,
    0,
  );
}

/** Whatever the other layers choose. */
function leastCostOf(
  { workload }: PlanningProblem,
  { baseCost, baseMs }: Budget,
  { partial, rest }: { partial: Partial; rest: Least },
): number {
  const tokenMs = partial.tokenMs + rest.tokenMs;
  const workMs = baseMs + partial.prefillMs + rest.prefillMs + workload.outputTokens * tokenMs;
  return baseCost + partial.callsCost + rest.callsCost + idleCost(partial.functions, workMs);
}

/** Whether the other layers could still be such that the limits hold; a cold start is not counted. */
function canKeep(problem: PlanningProblem, budget: Budget, { partial, rest }: { partial: Partial; rest: Least }) {
  return (
    partial.unsavedMb + rest.unsavedMb <= 0 &&
    partial.tokenMs + rest.tokenMs <= budget.tokenMs &&
    (problem.isCold || partial.prefillMs + rest.prefillMs <= budget.ttftMs)
  );
}

function undominated(partials: readonly Partial[], problem: PlanningProblem): Partial[] {
  if (!areStartsAlone(problem)) return [...partials];
  const kept = new Map<string, Partial[]>();
  for (const partial of partials.toSorted((a, b) => a.cost - b.cost)) {
    const alike = partial.functions.map(({ memoryMb, replicas }) => `${memoryMb} × ${replicas}`).join();
    const others = kept.get(alike) ?? [];
    if (!others.some((other) => dominates(other, partial))) others.push(partial);
    kept.set(alike, others);
  }
  return [...kept.values()].flat();
}

/** Of one that costs no more and has functions of the same sizes; whether calls or time are what they cost idle. */
function dominates(a: Partial, b: Partial): boolean {
  return (
    a.tokenMs <= b.tokenMs &&
    a.prefillMs <= b.prefillMs &&
    a.unsavedMb <= b.unsavedMb &&
    a.longestStartMs <= b.longestStartMs &&
    a.callsCost <= b.callsCost &&
    a.functions.every((own, i) => isNoFuller(own, b.functions[i] as HeldFunction))
  );
}

function isNoFuller(a: HeldFunction, b: HeldFunction): boolean {
  return a.weightsMb.every((mb, instance) => mb <= (b.weightsMb[instance] as number));
}

interface Beside {
  readonly main: MainFunction;
  readonly budget: Budget;
}

function meritOf(problem: PlanningProblem, { main, budget }: Beside, partial: Partial): Merit {
  const { slo, margin, profile, sizes, isCold } = problem;
  const { fixedMs, perMb } = mainStart(profile, splitDevices(profile));
  const localMb = partial.unsavedMb + main.memoryMb - sizes.mainBaseMb;
  const coldStartMs = isCold ? Math.max(partial.longestStartMs, fixedMs + perMb * localMb) : 0;
  const ttftMs = profile.overhead.gatewayMs + coldStartMs + main.prefillMs + partial.prefillMs;
  const tpotMs = problem.workload.outputTokens === 0 ? 0 : main.tokenMs + partial.tokenMs;
  const ttft = (margin.split.ttft * ttftMs) / (slo.ttftMs ?? Number.POSITIVE_INFINITY);
  // Without output even an objective of 0 is met.
  const tpot = tpotMs === 0 ? 0 : (margin.split.tpot * tpotMs) / (slo.tpotMs ?? Number.POSITIVE_INFINITY);
  const workMs = budget.baseMs + partial.prefillMs + problem.workload.outputTokens * partial.tokenMs;
  return { miss: Math.max(1, ttft, tpot), cost: partial.callsCost + idleCost(partial.functions, workMs) };
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
