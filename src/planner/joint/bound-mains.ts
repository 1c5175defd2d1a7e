import { splitDevices } from "../evaluate.ts";
import { mainNeedMb } from "../memory-needs.ts";
import { isIdleBilled } from "../rates.ts";
import { smallestSpec } from "../specs.ts";
import { roomOf } from "./budget.ts";
import type { GridSearch, Pairing, RelaxedMain } from "./grid-search.ts";
import type { ColumnRange, OptionGrid, PricedColumn } from "./option-grid.ts";

/** Main functions that are bounded at first, unless there are not many; how many is not many. */
const COARSE_MAINS = { ofAllColumns: 6, ofEachColumn: 3 };
const FEW_MAINS = 12;
/** Around how many of the best main functions the others are bounded. */
const REFINED_MAINS = 2;
/** From one number of held functions to the next: 1, 2, 4, 8, … */
const MORE_FUNCTIONS = 2;
/** Further apart than that, around the best one alone. */
const FINE_STEP = 3;
/** Finer choices than a coarse grid's cost less than its bounds by less than that. */
export const COARSENESS = 1.05;

/** What is searched together: all columns; where held functions cost something, these are alike, so each on its own. */
export function columnRanges({ problem, columns }: OptionGrid): ColumnRange[] {
  if (!isIdleBilled(problem.prices)) return [{ from: 0, end: columns.length }];
  return columns.map((_, from) => ({ from, end: from + 1 }));
}

/**
 * Bounds of main functions' costs, coarse to fine around the least, unless that is least among its neighbours: ascending.
 * Those well above the least are left out.
 */
export function* boundMains(search: GridSearch, below: number): Generator<void, RelaxedMain[], void> {
  const sizes = search.grid.problem.specs.main;
  const bounds = new MainBounds(search, below);
  const isHeld = isIdleBilled(search.grid.problem.prices);
  const most = isHeld ? COARSE_MAINS.ofEachColumn : COARSE_MAINS.ofAllColumns;
  let step = sizes.length <= FEW_MAINS ? 1 : Math.ceil(sizes.length / most);
  const isCoarse = (index: number): boolean => index === 0 || (sizes.length - 1 - index) % step === 0;
  const coarse = [...sizes.keys()].filter(isCoarse);
  const indexesOf = (columns: ColumnRange): number[] => [...coarse, ...filledMains(search.grid, columns)];
  const places = columnRanges(search.grid).flatMap((columns) =>
    indexesOf(columns).map((index) => ({ index, columns, memoryMb: sizes[index] as number })),
  );
  yield* bounds.add(isHeld ? cheapestFirst(search, places) : places);
  const least = bounds.ascending[0];
  yield* bounds.add(bounds.around(1, 1));
  while (step > 1 && bounds.ascending[0] !== least) {
    step = Math.ceil(step / 2);
    yield* bounds.add(bounds.around(step > FINE_STEP ? 1 : REFINED_MAINS, step));
  }
  return bounds.ascending.map(({ main }) => main);
}

/** Many pairs of main functions and held ones: a low bound rules out what comes after it. */
function cheapestFirst<Each extends Pairing>(search: GridSearch, places: readonly Each[]): Each[] {
  const priced = places.map((place) => ({ place, cost: search.leastCost(place) }));
  return priced.sort((a, b) => a.cost - b.cost).map(({ place }) => place);
}

/**
 * The least main functions beside one, two and more held functions of a column that are full. Anything less takes another
 * function: costs jump there, and what is around tells little about it.
 */
function filledMains({ problem, columns }: OptionGrid, { from, end }: ColumnRange): number[] {
  const { sizes, specs, profile, prices } = problem;
  if (!isIdleBilled(prices) || end !== from + 1) return [];
  const column = columns[from] as PricedColumn;
  if (column.memoryMb <= sizes.expertsBaseMb) return [];
  const expertsMb = sizes.experts * sizes.expertMb.reduce((sum, mb) => sum + mb, 0);
  const neededMb = mainNeedMb(sizes, splitDevices(profile), []);
  const mains: number[] = [];
  for (let functions = 1, roomMb = 0; roomMb < expertsMb; functions *= MORE_FUNCTIONS) {
    roomMb = roomOf(sizes, column, functions);
    const memoryMb = smallestSpec(specs.main, neededMb - Math.min(roomMb, expertsMb));
    if (memoryMb !== null) mains.push(specs.main.indexOf(memoryMb));
  }
  return mains;
}

/** A main function's place among the sizes. */
interface Place {
  readonly index: number;
  readonly columns: ColumnRange;
}

interface BoundMain extends Place {
  readonly main: RelaxedMain;
}

class MainBounds {
  /** What may keep the limits comes first. */
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
      this.ascending.sort(
        (a, b) =>
          Number(b.main.isWithinReach) - Number(a.main.isWithinReach) ||
          a.main.relaxed.bound - b.main.relaxed.bound ||
          a.index - b.index,
      );
    }
  }

  /** Some sizes more and less than the best ones. */
  around(count: number, step: number): Place[] {
    return this.ascending
      .slice(0, count)
      .flatMap(({ index, columns }) => [index - step, index + step].map((i) => ({ index: i, columns })));
  }

  get #ofInterest(): number {
    return COARSENESS * Math.min(this.#below, this.ascending[0]?.main.relaxed.bound ?? this.#below);
  }
}
