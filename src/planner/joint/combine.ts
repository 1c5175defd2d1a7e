import type { Budget } from "./budget.ts";
import type { OptionTerms } from "./option-terms.ts";
import { PairHeap } from "./pair-heap.ts";
import type { Relaxed } from "./relaxation.ts";
import { type Shortlist, shortlist } from "./shortlist.ts";

/** One option of every layer. */
export interface Combination {
  /** Places in the grid. [layers] */
  readonly options: readonly number[];
  /** C^loc + C^rem, with cold starts as long as if each were alone. */
  readonly cost: number;
}

export interface CombineInput {
  readonly terms: OptionTerms;
  readonly budget: Budget;
  readonly relaxed: Relaxed;
  /** Only what costs less is of interest. */
  readonly below: number;
  /** Options of a layer, and partial combinations, that are followed. */
  readonly beam: { readonly options: number; readonly states: number };
}

/** What some layers' options add to the budget's sums. */
interface Sums {
  readonly savedMb: number;
  readonly heldMb: number;
  readonly tokenMs: number;
  readonly ttftMs: number;
  readonly prefillMs: number;
  /** The longest of them. */
  readonly startMs: number;
}

/** Some options of the layers so far, the last layer's first. */
interface State {
  readonly reducedCost: number;
  readonly sums: Sums;
  readonly option: number;
  readonly before: State | null;
}

/** How many pairs are looked at for each state that is followed. */
const TRIES = 8;

/**
 * Combinations of the layers' options within the budget, cheapest first. Layer after layer the partial ones of least
 * reduced cost are extended. A combination costs at least the relaxation's bound and its reduced costs: where nothing had
 * to be cut off, the cheapest there is is among them.
 */
export function* combine(input: CombineInput): Generator<void, Combination[], void> {
  const { terms, relaxed, beam } = input;
  if (relaxed.bound >= input.below) return [];
  const shortlists: SummedList[] = [];
  for (const layer of terms.grid.demands.keys()) {
    const own = shortlist({ terms, relaxed }, layer, beam.options);
    if (own.options.length === 0) return [];
    shortlists.push({ ...own, sums: own.options.map((option) => sumsOf(terms, option)) });
    yield;
  }
  const rests = bestRests(shortlists);
  let states: State[] = [{ reducedCost: 0, sums: NOTHING, option: -1, before: null }];
  for (const [layer, own] of shortlists.entries()) {
    states = extend(input, { states, own, rest: rests[layer + 1] as Sums });
    yield;
  }
  return states.map((state) => toCombination(input, state)).sort((a, b) => a.cost - b.cost);
}

const NOTHING: Sums = { savedMb: 0, heldMb: 0, tokenMs: 0, ttftMs: 0, prefillMs: 0, startMs: 0 };

interface SummedList extends Shortlist {
  /** Of each option. */
  readonly sums: readonly Sums[];
}

/** The most that layers from each on can save, and the least they can take. [layers + 1] */
function bestRests(shortlists: readonly SummedList[]): Sums[] {
  const rests = [NOTHING];
  for (const { sums } of shortlists.toReversed()) {
    const best = sums.reduce((a, b) => ({
      savedMb: Math.max(a.savedMb, b.savedMb),
      heldMb: Math.min(a.heldMb, b.heldMb),
      tokenMs: Math.min(a.tokenMs, b.tokenMs),
      ttftMs: Math.min(a.ttftMs, b.ttftMs),
      prefillMs: Math.min(a.prefillMs, b.prefillMs),
      startMs: Math.min(a.startMs, b.startMs),
    }));
    rests.push(add(rests.at(-1) as Sums, best));
  }
  return rests.reverse();
}

function sumsOf({ grid, tokenMs, ttftMs, prefillMs }: OptionTerms, option: number): Sums {
  return {
    savedMb: grid.rowOf(option).savedMb,
    heldMb: grid.heldMb[option] as number,
    tokenMs: tokenMs[option] as number,
    ttftMs: ttftMs[option] as number,
    prefillMs: prefillMs[option] as number,
    startMs: grid.longestStartMs[option] as number,
  };
}

function add(a: Sums, b: Sums): Sums {
  return {
    savedMb: a.savedMb + b.savedMb,
    heldMb: a.heldMb + b.heldMb,
    tokenMs: a.tokenMs + b.tokenMs,
    ttftMs: a.ttftMs + b.ttftMs,
    prefillMs: a.prefillMs + b.prefillMs,
    startMs: Math.max(a.startMs, b.startMs),
  };
}

interface Step {
  readonly states: readonly State[];
  readonly own: SummedList;
  readonly rest: Sums;
}

/** The best pairs of a state and an option from which the other layers can still keep to the budget. */
function extend(input: CombineInput, { states, own, rest }: Step): State[] {
  const { budget, relaxed, below, beam } = input;
  const pairs = new PairHeap();
  for (let i = 0; i < states.length; i++) pairs.push((states[i] as State).reducedCost, i, 0);
  const extended: State[] = [];
  for (let tries = 0; tries < TRIES * beam.states && pairs.size > 0 && extended.length < beam.states; tries++) {
    const { key: reducedCost, left, right } = pairs.pop();
    if (relaxed.bound + reducedCost >= below) break;
    const before = states[left] as State;
    if (right + 1 < own.options.length) {
      pairs.push(before.reducedCost + (own.reducedCosts[right + 1] as number), left, right + 1);
    }
    const total = add(before.sums, own.sums[right] as Sums);
    if (!isWithin(total, rest, budget)) continue;
    extended.push({ reducedCost, sums: total, option: own.options[right] as number, before });
  }
  return extended;
}

/** Whether layers so far and the best of the rest keep to the budget. */
function isWithin(own: Sums, rest: Sums, budget: Budget): boolean {
  return (
    own.savedMb + rest.savedMb >= budget.savedMb &&
    own.heldMb + rest.heldMb <= budget.roomMb &&
    own.tokenMs + rest.tokenMs <= budget.tokenMs &&
    own.ttftMs + rest.ttftMs <= budget.ttftMs &&
    own.prefillMs + rest.prefillMs + Math.max(own.startMs, rest.startMs) <= budget.readyMs
  );
}

function toCombination({ terms, budget }: CombineInput, last: State): Combination {
  const options: number[] = [];
  let cost = budget.baseCost;
  for (let state = last; state.before !== null; state = state.before) {
    options.unshift(state.option);
    cost += terms.cost[state.option] as number;
  }
  return { options, cost };
}
