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
  const shortlists: Shortlist[] = [];
  for (const layer of terms.grid.demands.keys()) {
    shortlists.push(shortlist({ terms, relaxed }, layer, beam.options));
    yield;
  }
  if (shortlists.some(({ options }) => options.length === 0)) return [];
  const rests = bestRests(input, shortlists);
  let states: State[] = [{ reducedCost: 0, sums: NOTHING, option: -1, before: null }];
  for (const [layer, own] of shortlists.entries()) {
    states = extend(input, { states, own, rest: rests[layer + 1] as Sums });
    yield;
  }
  return states.map((state) => toCombination(input, state)).sort((a, b) => a.cost - b.cost);
}

const NOTHING: Sums = { savedMb: 0, heldMb: 0, tokenMs: 0, ttftMs: 0, prefillMs: 0, startMs: 0 };

/** The most that layers from each on can save, and the least they can take. [layers + 1] */
function bestRests(input: CombineInput, shortlists: readonly Shortlist[]): Sums[] {
  const rests = [NOTHING];
  for (const { options } of shortlists.toReversed()) {
    const all = options.map((option) => sumsOf(input, option));
    const best = {
      savedMb: Math.max(...all.map(({ savedMb }) => savedMb)),
      heldMb: Math.min(...all.map(({ heldMb }) => heldMb)),
      tokenMs: Math.min(...all.map(({ tokenMs }) => tokenMs)),
      ttftMs: Math.min(...all.map(({ ttftMs }) => ttftMs)),
      prefillMs: Math.min(...all.map(({ prefillMs }) => prefillMs)),
      startMs: 0,
    };
    rests.unshift(add(rests[0] as Sums, best));
  }
  return rests;
}

function sumsOf({ terms }: CombineInput, option: number): Sums {
  const { grid, tokenMs, ttftMs, prefillMs } = terms;
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
  readonly own: Shortlist;
  readonly rest: Sums;
}

/** The best pairs of a state and an option from which the other layers can still keep to the budget. */
function extend(input: CombineInput, { states, own, rest }: Step): State[] {
  const { budget, relaxed, below, beam } = input;
  const sums = own.options.map((option) => sumsOf(input, option));
  const pairs = new PairHeap();
  for (const [i, { reducedCost }] of states.entries()) pairs.push(reducedCost, i, 0);
  const extended: State[] = [];
  for (let tries = 0; tries < TRIES * beam.states && pairs.size > 0 && extended.length < beam.states; tries++) {
    const { key: reducedCost, left, right } = pairs.pop();
    if (relaxed.bound + reducedCost >= below) break;
    const before = states[left] as State;
    if (right + 1 < own.options.length) {
      pairs.push(before.reducedCost + (own.reducedCosts[right + 1] as number), left, right + 1);
    }
    const total = add(before.sums, sums[right] as Sums);
    if (!isWithin(add(total, rest), budget)) continue;
    extended.push({ reducedCost, sums: total, option: own.options[right] as number, before });
  }
  return extended;
}

function isWithin({ savedMb, heldMb, tokenMs, ttftMs, prefillMs, startMs }: Sums, budget: Budget): boolean {
  return (
    savedMb >= budget.savedMb &&
    heldMb <= budget.roomMb &&
    tokenMs <= budget.tokenMs &&
    ttftMs <= budget.ttftMs &&
    prefillMs + startMs <= budget.readyMs
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
