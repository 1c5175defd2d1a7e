import { chooseCheapest } from "../choose-cheapest.ts";
import { splitDevices } from "../evaluate.ts";
import type { Decision } from "../evaluation.ts";
import { mainNeedMb } from "../memory-needs.ts";
import type { PlanningProblem } from "../problem.ts";
import { smallestSpec } from "../specs.ts";
import { decideSplit } from "./decide-split.ts";
import { coarseChoices, fineChoices } from "./grid-choices.ts";
import { GridSearch, type RelaxedMain } from "./grid-search.ts";
import { LayerDemand } from "./layer-demand.ts";
import { type GridChoices, OptionGrid } from "./option-grid.ts";
import { uniformStarts } from "./uniform-starts.ts";

/** Main functions that are bounded at first, and the most that are searched. */
const COARSE_MAINS = 12;
const SEARCHED_MAINS = 4;
/** Around how many of the best main functions the others are bounded. */
const REFINED_MAINS = 2;
/** Relaxations that are taken as they are. */
const ROUNDED_MAINS = 8;
/** Options of a layer that are followed; partial combinations, as many as there is time for: fewer of more layers. */
const BEAM_OPTIONS = 48;
const BEAM_STATES = { most: 512, least: 64, ofAllLayers: 2048 };
/** Combinations that are evaluated where the search does not tell the best: cold, and out of reach of the objectives. */
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
 * look, coarse to fine; beside these, combinations of options are searched from the relaxation's prices.
 * @returns the plan that misses the objectives least if none is found that meets them; `null` if nothing fits
 */
export function* searchSplit(problem: PlanningProblem): Generator<void, Decision | null, void> {
  const demands: LayerDemand[] = [];
  for (let layer = 0; layer < problem.sizes.layers; layer++) {
    demands.push(new LayerDemand(problem, layer));
    yield;
  }
  const { isComplete, ...choices } = coarseChoices(problem);
  const coarse = yield* searchOf(problem, demands, choices);
  const mains = yield* boundMains(problem, coarse);
  if (mains.length === 0) return null;
  const promising = mains.slice(0, isComplete && mains.length <= COARSE_MAINS ? COARSE_MAINS : SEARCHED_MAINS);
  const fine = isComplete
    ? coarse
    : yield* searchOf(
        problem,
        demands,
        fineChoices(
          problem,
          coarse.grid,
          promising.flatMap(({ relaxed, kept }) => [...relaxed.options, ...(kept?.options ?? [])]),
        ),
      );
  const searched = yield* searchMains(fine, promising);
  // Warm, nothing of the grid costs less than the bound of its main function. Cold, sharing functions may.
  const below = searched?.feasible === true && !problem.isCold ? searched.evaluation.cost : Number.POSITIVE_INFINITY;
  const open = mains.slice(0, ROUNDED_MAINS).filter(({ relaxed }) => relaxed.bound < below);
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
  const decisions: Decision[] = [];
  for (const { relaxed, kept } of mains) {
    for (const { options } of kept === null ? [relaxed] : [relaxed, kept]) {
      const remote = options.map((option) => grid.rowOf(option).remote);
      const memoryMb = smallestSpec(specs.main, mainNeedMb(sizes, splitDevices(profile), remote));
      const decision: Decision | null = memoryMb === null ? null : yield* decideSplit(grid, memoryMb, [{ options }]);
      if (decision !== null) decisions.push(decision);
    }
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

/** Bounds of main functions' costs, coarse to fine around the least: ascending. */
function* boundMains({ specs }: PlanningProblem, search: GridSearch): Generator<void, RelaxedMain[], void> {
  const bounds = new Map<number, RelaxedMain | null>();
  const byBound = (): [number, RelaxedMain][] =>
    [...bounds]
      .filter((entry): entry is [number, RelaxedMain] => entry[1] !== null)
      .sort(([i, a], [j, b]) => a.relaxed.bound - b.relaxed.bound || i - j);
  let step = Math.ceil(specs.main.length / COARSE_MAINS);
  let next = [...specs.main.keys()].filter((i) => (specs.main.length - 1 - i) % step === 0);
  while (next.length > 0) {
    for (const i of next) bounds.set(i, yield* search.relax(specs.main[i] as number));
    step = Math.ceil(step / 2);
    const around = byBound()
      .slice(0, REFINED_MAINS)
      .flatMap(([i]) => [i - step, i + step]);
    next = around.filter((i) => specs.main[i] !== undefined && !bounds.has(i));
  }
  return byBound().map(([, bound]) => bound);
}

function* searchMains(search: GridSearch, mains: readonly RelaxedMain[]): Generator<void, Decision | null, void> {
  let best: Decision | null = null;
  for (const { memoryMb } of mains) {
    const main = yield* search.relax(memoryMb);
    if (main === null) continue;
    const decision: Decision | null = yield* searchMain(search, main, best);
    if (decision !== null) best = best === null ? decision : chooseCheapest([best, decision]);
  }
  return best;
}

/** What goes best with the main function that was relaxed last, if that may be better than what there is. */
function* searchMain(
  search: GridSearch,
  main: RelaxedMain,
  best: Decision | null,
): Generator<void, Decision | null, void> {
  const { sizes, isCold } = search.grid.problem;
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
    return yield* decideSplit(search.grid, main.memoryMb, within.slice(0, isCold ? FINALISTS : 1));
  }
  const missing = yield* search.combine({ ...main, budget: { ...main.budget, ...UNLIMITED } }, { below, beam });
  return yield* decideSplit(search.grid, main.memoryMb, missing.slice(0, FINALISTS));
}
