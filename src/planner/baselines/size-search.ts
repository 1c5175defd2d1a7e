import type { PriceBook } from "../../ledger/price-book.ts";
import { chooseCheapest, isBetter, type Merit, toMerit } from "../choose-cheapest.ts";
import { evaluate } from "../evaluate.ts";
import type { Decision, Placement } from "../evaluation.ts";
import { CountedLayers } from "../layer-counts.ts";
import type { PlanningProblem } from "../problem.ts";
import { type Rate, rateOf } from "../rates.ts";

/** Placements that differ in nothing but the sizes of their functions. */
export interface SizeFamily {
  /** Sizes of the main function that hold what is in it, ascending. */
  readonly main: readonly number[];
  /** Sizes of expert functions that hold what is in them, ascending; any single one where there are none. */
  readonly experts: readonly number[];
  /** More memory may not make it slower. */
  place(mainMb: number, expertsMb: number): Placement;
}

/** A range of indices, both ends included. */
interface Range {
  readonly from: number;
  readonly to: number;
}

interface Box {
  readonly family: SizeFamily;
  readonly main: Range;
  readonly experts: Range;
  /** With the greatest sizes of the box: none of the box is faster. */
  readonly fastest: Decision;
}

/**
 * The cheapest sizes of some families that meet the objectives, or those that miss them least: the exact optimum, by
 * branch and bound. Families without a size that holds them have no placements; `null` if none has any.
 */
export function* searchSizes(
  problem: PlanningProblem,
  families: readonly SizeFamily[],
): Generator<void, Decision | null, void> {
  const toBox = boxesOf(problem);
  const open: Box[] = [];
  for (const family of families) {
    if (family.main.length === 0 || family.experts.length === 0) continue;
    open.push(toBox(family, { main: rangeOf(family.main), experts: rangeOf(family.experts) }));
    yield;
  }
  let best: Decision | null = null;
  for (let box = open.pop(); box !== undefined; box = open.pop()) {
    best = best === null ? box.fastest : chooseCheapest([best, box.fastest]);
    if (isBetter(leastMerit(box, problem), toMerit(best.evaluation))) open.push(...halves(box, toBox));
    yield;
  }
  return best;
}

function rangeOf(sizes: readonly number[]): Range {
  return { from: 0, to: sizes.length - 1 };
}

type Ranges = Pick<Box, "main" | "experts">;
type ToBox = (family: SizeFamily, ranges: Ranges) => Box;

function boxesOf(problem: PlanningProblem): ToBox {
  const counts = new CountedLayers(problem);
  return (family, { main, experts }) => {
    const placement = family.place(family.main[main.to] as number, family.experts[experts.to] as number);
    const evaluation = evaluate(problem, placement, counts);
    return { family, main, experts, fastest: { placement, evaluation, feasible: evaluation.violations.length === 0 } };
  };
}

/**
 * What no placement of a box is better than: the times of its greatest sizes at the prices of its smallest. Billed time
 * never falls with less memory, so each part of the cost is at least its share of the price; nor does what a function
 * is idle and busy together, where idle time is the cheaper of the two.
 */
function leastMerit({ family, main, experts, fastest: { evaluation } }: Box, { prices }: PlanningProblem): Merit {
  const { costs, gpuMemoryMb } = evaluation;
  const ofMain = priceShares(prices, endsOf(family.main, main), gpuMemoryMb);
  const ofExperts = priceShares(prices, endsOf(family.experts, experts), 0);
  const cost =
    ofMain.busy * costs.main +
    ofExperts.busy * (costs.remotePrefill + costs.remoteDecode) +
    Math.min(ofMain.busy, ofExperts.busy) * costs.coldStart +
    Math.min(ofMain.idle, ofExperts.idle) * costs.keepAlive;
  return { miss: toMerit(evaluation).miss, cost };
}

/** Prices of the first of two sizes as shares of the second's. */
function priceShares(prices: PriceBook, sizes: readonly [number, number], gpuMemoryMb: number) {
  const [small, great] = sizes.map((memoryMb) => rateOf({ memoryMb, gpuMemoryMb }, prices)) as [Rate, Rate];
  return {
    busy: great.perMs === 0 ? 1 : small.perMs / great.perMs,
    idle: great.idlePerMs === 0 ? 1 : small.idlePerMs / great.idlePerMs,
  };
}

function endsOf(sizes: readonly number[], { from, to }: Range): [number, number] {
  return [sizes[from] as number, sizes[to] as number];
}

/** Both halves of a box along its longer side, the one of smaller sizes last, to be looked at first. */
function halves({ family, main, experts, fastest }: Box, toBox: ToBox): Box[] {
  const isMainLonger = main.to - main.from >= experts.to - experts.from;
  const { from, to } = isMainLonger ? main : experts;
  if (from === to) return [];
  const middle = Math.floor((from + to) / 2);
  const ranges = (range: Range): Ranges => (isMainLonger ? { main: range, experts } : { main, experts: range });
  const greater = { family, fastest, ...ranges({ from: middle + 1, to }) };
  return [greater, toBox(family, ranges({ from, to: middle }))];
}

/** Ascending sizes that hold so much. */
export function sizesFrom(specs: readonly number[], neededMb: number): number[] {
  return specs.filter((spec) => spec >= neededMb);
}
