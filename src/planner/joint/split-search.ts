import { chooseCheapest } from "../choose-cheapest.ts";
import { splitDevices } from "../evaluate.ts";
import type { Decision } from "../evaluation.ts";
import { mainNeedMb } from "../memory-needs.ts";
import type { PlanningProblem } from "../problem.ts";
import { isIdleBilled } from "../rates.ts";
import { smallestSpec } from "../specs.ts";
import { decideSplit } from "./decide-split.ts";
import { coarseChoices, fineChoices } from "./grid-choices.ts";
import { GridSearch, type Pairing, type RelaxedMain } from "./grid-search.ts";
import { LayerDemand } from "./layer-demand.ts";
import { type Column, type ColumnRange, type GridChoices, OptionGrid } from "./option-grid.ts";
import { uniformStarts } from "./uniform-starts.ts";

/** Main functions that are bounded at first; the most that are searched, in a coarse grid's stead or in one of everything. */
const COARSE_MAINS = 6;
const SEARCHED_MAINS = { finely: 4, atOnce: 12 };
/** Around how many of the best main functions the others are bounded. */
const REFINED_MAINS = 2;
/** Further apart than that, around the best one alone. */
const FINE_STEP = 3;
/** Finer choices than a coarse grid's cost less than its bounds by less than that. */
const COARSENESS = 1.05;
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
 * @param below what a plan without remote experts costs: what costs more is not looked for
 * @returns the plan that misses the objectives least if none is found that meets them; `null` if nothing fits, or is cheap enough
 */
export function* searchSplit(problem: PlanningProblem, below: number): Generator<void, Decision | null, void> {
  const demands: LayerDemand[] = [];
  for (let layer = 0; layer < problem.sizes.layers; layer++) {
    demands.push(new LayerDemand(problem, layer));
    yield;
  }
  const { isComplete, ...choices } = coarseChoices(problem);
  const coarse = yield* searchOf(problem, demands, choices);
  const mains = (yield* boundMains(coarse, below)).filter(({ relaxed }) => relaxed.bound < COARSENESS * below);
  if (mains.length === 0) return null;
  const promising = mains.slice(0, isComplete ? SEARCHED_MAINS.atOnce : SEARCHED_MAINS.finely);
  const searched = isComplete ? yield* searchMains(coarse, promising) : yield* searchFinely(coarse.grid, promising);
  // Warm, nothing of the grid costs less than the bound of its main function. Cold, sharing functions may.
  const best = searched?.feasible === true && !problem.isCold ? searched.evaluation.cost : Number.POSITIVE_INFINITY;
  const open = mains.slice(0, ROUNDED_MAINS).filter(({ relaxed }) => relaxed.bound < WORTHWHILE * best);
  if (open.length === 0) return searched;
  const found = [searched, yield* roundRelaxed(coarse, open), yield* uniformStarts(problem, demands)].filter(
    (decision) => decision !== null,
  );
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
  const decisions: Decision[] = [];
  for (const options of distinct) {
    const remote = options.map((option) => grid.rowOf(option).remote);
    const memoryMb = smallestSpec(specs.main, mainNeedMb(sizes, splitDevices(profile), remote));
    const decision: Decision | null = memoryMb === null ? null : yield* decideSplit(grid, memoryMb, [{ options }]);
    if (decision !== null) decisions.push(decision);
  }
  return decisions.length === 0 ? null : chooseCheapest(decisions);
}

function* searchOf(problem: PlanningProblem, demands: readonly LayerDemand[], choices: GridChoices) {
  const grid = new OptionGrid(problem, demands, choices);
  for (const layer of demands.keys()) {
    grid.fillLayer(layer);
    yield;
  }
  return new GridSearch(grid);
}

/** What is searched together: all columns; where held functions cost something, these are alike, so each on its own. */
function columnRanges({ problem, columns }: OptionGrid): ColumnRange[] {
  if (!isIdleBilled(problem.prices)) return [{ from: 0, end: columns.length }];
  return columns.map((_, from) => ({ from, end: from + 1 }));
}

/** A main function's place among the sizes. */
interface Place {
  readonly index: number;
  readonly columns: ColumnRange;
}

interface BoundMain extends Place {
  readonly main: RelaxedMain;
}

/**
 * Bounds of main functions' costs, coarse to fine around the least, unless that is least among its neighbours: ascending.
 * Those well above the least are left out.
 */
function* boundMains(search: GridSearch, below: number): Generator<void, RelaxedMain[], void> {
  const sizes = search.grid.problem.specs.main;
  const bounds = new MainBounds(search, below);
  let step = Math.ceil(sizes.length / COARSE_MAINS);
  const isCoarse = (index: number): boolean => index === 0 || (sizes.length - 1 - index) % step === 0;
  const coarse = [...sizes.keys()].filter(isCoarse);
  yield* bounds.add(columnRanges(search.grid).flatMap((columns) => coarse.map((index) => ({ index, columns }))));
  const least = bounds.ascending[0];
  yield* bounds.add(bounds.around(1, 1));
  while (step > 1 && bounds.ascending[0] !== least) {
    step = Math.ceil(step / 2);
    yield* bounds.add(bounds.around(step > FINE_STEP ? 1 : REFINED_MAINS, step));
  }
  return bounds.ascending.map(({ main }) => main);
}

class MainBounds {
  readonly ascending: BoundMain[] = [];
  readonly #search: GridSearch;
  readonly #below: number;
  readonly #seen = new Map<ColumnRange, Set<number>>();

  constructor(search: GridSearch, below: number) {
    this.#search = search;
    this.#below = below;
  }

  /** Those that were not looked at yet. */
  *add(places: readonly Place[]): Generator<void, void, void> {
    const sizes = this.#search.grid.problem.specs.main;
    for (const { index, columns } of places) {
      const seen = this.#seen.get(columns) ?? new Set();
      this.#seen.set(columns, seen);
      const memoryMb = sizes[index];
      if (memoryMb === undefined || seen.has(index)) continue;
      seen.add(index);
      const main = yield* this.#search.relax({ memoryMb, columns }, this.#ofInterest);
      if (main === null) continue;
      this.ascending.push({ index, columns, main });
      this.ascending.sort((a, b) => a.main.relaxed.bound - b.main.relaxed.bound || a.index - b.index);
    }
  }

  /** Some sizes more and less than the best ones. */
  around(count: number, step: number): Place[] {
    return this.ascending
      .slice(0, count)
      .flatMap(({ index, columns }) => [index - step, index + step].map((i) => ({ index: i, columns })));
  }

  /** Cold, bounds do not know that layers may share a function's start. */
  get #ofInterest(): number {
    if (this.#search.grid.problem.isCold) return Number.POSITIVE_INFINITY;
    return COARSENESS * Math.min(this.#below, this.ascending[0]?.main.relaxed.bound ?? this.#below);
  }
}

/** Beside more choices around the best ones of a coarse grid. */
function* searchFinely(coarse: OptionGrid, mains: readonly RelaxedMain[]): Generator<void, Decision | null, void> {
  const { problem, demands } = coarse;
  const options = mains.flatMap(({ relaxed, kept }) => [...relaxed.options, ...(kept?.options ?? [])]);
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
    const main: RelaxedMain | null = yield* search.relax(pairing, costToBeat(search, best));
    if (main === null) continue;
    const decision: Decision | null = yield* searchMain(search, main, best);
    if (decision !== null) best = best === null ? decision : chooseCheapest([best, decision]);
  }
  return best;
}

/** Cold, bounds do not know that layers may share a function's start: nothing is too dear. */
function costToBeat({ grid }: GridSearch, best: Decision | null): number {
  return best?.feasible === true && !grid.problem.isCold ? best.evaluation.cost : Number.POSITIVE_INFINITY;
}

/** What goes best with the main function that was relaxed last, if that may be better than what there is. */
function* searchMain(
  search: GridSearch,
  main: RelaxedMain,
  best: Decision | null,
): Generator<void, Decision | null, void> {
  const { sizes, isCold, prices } = search.grid.problem;
  const { most, least, ofAllLayers } = BEAM_STATES;
  const states = Math.max(least, Math.min(most, Math.ceil(ofAllLayers / sizes.layers)));
  const beam = { options: BEAM_OPTIONS, states };
  const isFound = best?.feasible === true;
  const below = isFound ? best.evaluation.cost : Number.POSITIVE_INFINITY;
  let within = yield* search.combine(main, { below, beam });
  if (within.length === 0 && main.kept !== null) {
    within = yield* search.combine({ ...main, relaxed: main.kept }, { below, beam });
  }
  if (within.length > 0 || isFound) {
    const isExact = !isCold && !isIdleBilled(prices);
    return yield* decideSplit(search.grid, main.memoryMb, within.slice(0, isExact ? 1 : FINALISTS));
  }
  const missing = yield* search.combine({ ...main, budget: { ...main.budget, ...UNLIMITED } }, { below, beam });
  return yield* decideSplit(search.grid, main.memoryMb, missing.slice(0, FINALISTS));
}
