import { chooseCheapest } from "../choose-cheapest.ts";
import { splitDevices } from "../evaluate.ts";
import type { Decision } from "../evaluation.ts";
import { mainNeedMb } from "../memory-needs.ts";
import type { OrElse } from "../planner.ts";
import type { PlanningProblem } from "../problem.ts";
import { isIdleBilled } from "../rates.ts";
import { smallestSpec } from "../specs.ts";
import { boundMains, COARSENESS, columnRanges } from "./bound-mains.ts";
import { decideSplit } from "./decide-split.ts";
import { type CoarseChoices, coarseChoices, fineChoices } from "./grid-choices.ts";
import { GridSearch, type Pairing, type RelaxedMain, type SearchLimits } from "./grid-search.ts";
import { LayerDemand } from "./layer-demand.ts";
import { type Column, type ColumnRange, type GridChoices, OptionGrid } from "./option-grid.ts";
import type { Relaxed } from "./relaxation.ts";
import { resizeFunctions } from "./resize-functions.ts";
import { uniformStarts } from "./uniform-starts.ts";

/** How many are searched in one turn, in a coarse grid's stead or in one of everything; the most turns. */
const SEARCHED_MAINS = { finely: 4, atOnce: 12, turns: 12 };
/** Relaxations that are taken as they are, and what these have to promise: a thousandth. */
const ROUNDED_MAINS = 8;
const WORTHWHILE = 0.999;
/** Options of a layer that are followed; partial combinations, as many as there is time for: fewer of more layers. */
const BEAM_OPTIONS = 48;
const BEAM_STATES = { most: 512, least: 64, ofAllLayers: 2048 };
/**
 * Combinations that are evaluated where the search does not tell the best: where sharing functions changes what they cost,
 * and out of reach of the objectives.
 */
const FINALISTS = 4;
/** Out of reach only memory rules combinations out: the best few come from few. */
const MISSING_STATES = 4 * FINALISTS;
const UNLIMITED = {
  tokenMs: Number.POSITIVE_INFINITY,
  ttftMs: Number.POSITIVE_INFINITY,
  readyMs: Number.POSITIVE_INFINITY,
};

/**
 * The cheapest plan with remote experts that meets the objectives: main memory m, and of each layer how many experts are
 * remote (r_l), in how much memory (y_l) and how many replicas (z_l), chosen jointly.
 *
 * For a given m the layers are tied together by memory, TPOT and TTFT only. Lagrangian bounds tell which m are worth a
 * look, coarse to fine; beside these, combinations of options are searched from the relaxation's prices. Where holding
 * functions costs something, that is memory times all layers' time; for given functions it is a price of time, so they are
 * given as well: as few alike ones as hold what m does not.
 * @returns the plan that misses the objectives least if none is found that meets them; `null` if nothing fits, or is cheap enough
 */
export function* searchSplit(problem: PlanningProblem, wanted: WantedPlan): Generator<void, Decision | null, void> {
  const demands: LayerDemand[] = [];
  for (let layer = 0; layer < problem.sizes.layers; layer++) {
    demands.push(new LayerDemand(problem, layer));
    yield;
  }
  const choices = coarseChoices(problem);
  const first = yield* searchFrom(problem, demands, { choices, ...wanted });
  if (!isMisled(first, choices, problem)) return first.decision;
  const second = yield* searchFrom(problem, demands, {
    choices: { ...choices, isEven: false },
    ...wanted,
  });
  return cheapestOf([first.decision, second.decision]);
}

export interface WantedPlan {
  /** What a plan without remote experts costs: what costs more is not looked for. */
  readonly below: number;
  readonly orElse: OrElse;
}

interface Searched {
  readonly decision: Decision | null;
  /** The least of all bounds; `null` if nothing fits, or is cheap enough. */
  readonly bound: number | null;
}

interface SearchFrom extends WantedPlan {
  readonly choices: CoarseChoices;
}

/** Whether even replicas promised what real ones do not keep, which may hold more experts than there is room for. */
function isMisled({ decision, bound }: Searched, { isEven }: CoarseChoices, { isCold }: PlanningProblem): boolean {
  if (!isEven || bound === null || decision?.feasible === false) return false;
  // Cold, costs are above bounds anyway: started functions are seldom full.
  return decision === null || (!isCold && decision.evaluation.cost > COARSENESS * bound);
}

function* searchFrom(
  problem: PlanningProblem,
  demands: readonly LayerDemand[],
  { choices: { isComplete, ...choices }, below, orElse }: SearchFrom,
): Generator<void, Searched, void> {
  const coarse = yield* searchOf(problem, demands, choices);
  if (orElse === "nothing" && !(yield* coarse.mayKeepLimits())) return { decision: null, bound: null };
  const mains = (yield* boundMains(coarse, below)).filter(({ relaxed }) => relaxed.bound < COARSENESS * below);
  const bound = mains[0]?.relaxed.bound ?? null;
  const isHopeless = orElse === "nothing" && !mains.some(({ isWithinReach }) => isWithinReach);
  if (bound === null || isHopeless) return { decision: null, bound: null };
  const searched = yield* searchInTurn(coarse, mains, isComplete);
  // Nothing of the grid costs less than the bound of its main function.
  const open = mains.slice(0, ROUNDED_MAINS).filter(({ relaxed }) => relaxed.bound < WORTHWHILE * costToBeat(searched));
  const others = open.length === 0 ? [] : [yield* roundRelaxed(coarse, open), yield* uniformStarts(problem, demands)];
  const decision = cheapestOf([searched, ...others]);
  // Out of reach of the objectives it may still make starts shorter.
  const mayHelp = isSharingPriced(problem) || (problem.isCold && decision?.feasible === false);
  if (decision === null || !mayHelp) return { decision, bound };
  return { decision: yield* resizeFunctions(coarse.grid, decision), bound };
}

/** The best few main functions, and the next few as long as what was found misses the objectives and these may not. */
function* searchInTurn(
  coarse: GridSearch,
  mains: readonly RelaxedMain[],
  isComplete: boolean,
): Generator<void, Decision | null, void> {
  const atOnce = isComplete ? SEARCHED_MAINS.atOnce : SEARCHED_MAINS.finely;
  const others = mains.slice(atOnce).filter(({ isWithinReach }) => isWithinReach);
  const likely = others.filter(({ keepsLimits }) => keepsLimits);
  const inTurn = [...mains.slice(0, atOnce), ...likely, ...others.filter(({ keepsLimits }) => !keepsLimits)];
  let best: Decision | null = null;
  for (let turn = 0; turn < SEARCHED_MAINS.turns && best?.feasible !== true; turn++) {
    const promising = inTurn.slice(turn * atOnce, (turn + 1) * atOnce);
    if (promising.length === 0) break;
    const found = isComplete ? yield* searchMains(coarse, promising) : yield* searchFinely(coarse.grid, promising);
    best = cheapestOf([best, found]);
  }
  return best;
}

function cheapestOf(decisions: readonly (Decision | null)[]): Decision | null {
  const found = decisions.filter((decision) => decision !== null);
  return found.length === 0 ? null : chooseCheapest(found);
}

/**
 * The relaxations' own options, with the main memory that these need: where fees and rounding make costs jump, they may be
 * better than anything near the best bound.
 */
function* roundRelaxed({ grid }: GridSearch, mains: readonly RelaxedMain[]): Generator<void, Decision | null, void> {
  const { sizes, specs, profile } = grid.problem;
  const all = mains.flatMap(({ relaxed, kept }) => (kept === null ? [relaxed] : [relaxed, kept]));
  // Main functions of about the same memory often have the same options.
  const distinct = new Map(all.map(({ options }) => [options.join(), options])).values();
  const decisions: (Decision | null)[] = [];
  for (const options of distinct) {
    const remote = options.map((option) => grid.rowOf(option).remote);
    const memoryMb = smallestSpec(specs.main, mainNeedMb(sizes, splitDevices(profile), remote));
    const decision: Decision | null = memoryMb === null ? null : yield* decideSplit(grid, memoryMb, [{ options }]);
    decisions.push(decision);
  }
  return cheapestOf(decisions);
}

function* searchOf(problem: PlanningProblem, demands: readonly LayerDemand[], choices: GridChoices) {
  const grid = new OptionGrid(problem, demands, choices);
  for (const layer of demands.keys()) {
    grid.fillLayer(layer);
    yield;
  }
  return new GridSearch(grid);
}

/** Beside more choices around the best ones of a coarse grid. */
function* searchFinely(coarse: OptionGrid, mains: readonly RelaxedMain[]): Generator<void, Decision | null, void> {
  const { problem, demands } = coarse;
  const options = mains
    .flatMap(({ relaxed, kept }) => (kept === null ? [relaxed] : [relaxed, kept]))
    .flatMap(({ remoteOptions }) => remoteOptions);
  const choices = fineChoices(problem, coarse, options);
  const firsts = [...new Set(mains.map(({ columns }) => columns.from))];
  const columns = isIdleBilled(problem.prices) ? firsts.map((at) => coarse.columns[at] as Column) : choices.columns;
  const fine = yield* searchOf(problem, demands, { ...choices, columns });
  const ranges = columnRanges(fine.grid);
  const rangeOf = (main: RelaxedMain): ColumnRange => ranges[firsts.indexOf(main.columns.from)] as ColumnRange;
  return yield* searchMains(
    fine,
    mains.map((main) => ({ memoryMb: main.memoryMb, columns: rangeOf(main) })),
  );
}

function* searchMains(search: GridSearch, mains: readonly Pairing[]): Generator<void, Decision | null, void> {
  let best: Decision | null = null;
  for (const pairing of mains) {
    const main: RelaxedMain | null = yield* search.relax(pairing, costToBeat(best));
    if (main === null) continue;
    best = cheapestOf([best, yield* searchMain(search, main, best)]);
    const columns = isStartBilled(search.grid.problem) ? mostChosen(search.grid, main.relaxed) : null;
    if (columns === null) continue;
    const alike: RelaxedMain | null = yield* search.relax({ ...pairing, columns }, costToBeat(best));
    if (alike !== null) best = cheapestOf([best, yield* searchMain(search, alike, best)]);
  }
  return best;
}

/** The column of most layers: only what is alike can share functions, and their starts. `null` if it is all there is. */
function mostChosen(grid: OptionGrid, { columns: searched, remoteOptions }: Relaxed): ColumnRange | null {
  const remote = remoteOptions.filter((option) => grid.rowOf(option).remote > 0);
  if (searched.end - searched.from === 1 || remote.length === 0) return null;
  const chosen = remote.map((option) => option % grid.columns.length);
  const timesOf = (column: number): number => chosen.filter((other) => other === column).length;
  const from = chosen.reduce((most, column) => (timesOf(column) > timesOf(most) ? column : most));
  return { from, end: from + 1 };
}

/** Whether what a plan costs depends on which layers share functions. */
function isSharingPriced(problem: PlanningProblem): boolean {
  return isStartBilled(problem) || isIdleBilled(problem.prices);
}

function isStartBilled({ isCold, prices }: PlanningProblem): boolean {
  return isCold && prices.coldStart === "billed";
}

function costToBeat(best: Decision | null): number {
  return best?.feasible === true ? best.evaluation.cost : Number.POSITIVE_INFINITY;
}

/** What goes best with the main function that was relaxed last, if that may be better than what there is. */
function* searchMain(
  search: GridSearch,
  main: RelaxedMain,
  best: Decision | null,
): Generator<void, Decision | null, void> {
  const { problem } = search.grid;
  const { most, least, ofAllLayers } = BEAM_STATES;
  const states = Math.max(least, Math.min(most, Math.ceil(ofAllLayers / problem.sizes.layers)));
  const beam = { options: BEAM_OPTIONS, states };
  const isFound = best?.feasible === true;
  const below = isFound ? best.evaluation.cost : Number.POSITIVE_INFINITY;
  const within = main.isWithinReach ? yield* combineWithin(search, main, { below, beam }) : [];
  if (within.length > 0 || isFound) {
    const finalists = within.slice(0, isSharingPriced(problem) ? FINALISTS : 1);
    return yield* decideSplit(search.grid, main.memoryMb, finalists);
  }
  const missing = yield* search.combine(
    { ...main, budget: { ...main.budget, ...UNLIMITED } },
    { below, beam: { ...beam, states: MISSING_STATES } },
  );
  return yield* decideSplit(search.grid, main.memoryMb, missing.slice(0, FINALISTS));
}

/** From the prices of the best bound; where that leads to nothing, from those that keep the limits better. */
function* combineWithin(search: GridSearch, main: RelaxedMain, within: SearchLimits) {
  const combinations = yield* search.combine(main, within);
  if (combinations.length > 0 || main.kept === null) return combinations;
  return yield* search.combine({ ...main, relaxed: main.kept }, within);
}
