import { groupByExpert, type RoutedRows } from "../engine/routing.ts";
import type { RemoteCall } from "../engine/runtime.ts";
import type { ExpertCall } from "../wire/expert-call.ts";
import type { ExpertFunction } from "./expert-function.ts";

/** Rows of a call that go to the same instance. */
export interface CallPart {
  readonly to: ExpertFunction;
  /** Preferred place: one whose instance holds every expert of the rows. */
  readonly place: number;
  readonly rows: RoutedRows;
}

/** An expert's rows, and which places of its function may compute them: at least one. */
interface Group {
  readonly expert: number;
  readonly first: number;
  readonly count: number;
  readonly places: readonly [number, ...number[]];
}

/**
 * Splits a call by function and instance. In decode a function's rows go to as few instances as can be, for every call
 * costs a round trip; in prefill they are spread over all of them by LPT, for there the work counts.
 */
export function splitByInstance(
  { layer, kernel, rows }: Pick<RemoteCall, "layer" | "kernel" | "rows">,
  functionOf: (expert: number) => ExpertFunction,
): CallPart[] {
  const functions = new Set<ExpertFunction>();
  for (const expert of rows.experts) functions.add(functionOf(expert));
  const [only] = functions;
  if (functions.size === 1 && only?.replicaCount === 1) return [{ to: only, place: 0, rows }];
  const groups = groupByExpert(rows, rows.count);
  return [...functions].flatMap((to) => {
    const own = groups
      .filter(({ expert }) => functionOf(expert) === to)
      .map((group) => ({ ...group, places: to.placesOf(layer, group.expert) }));
    const shares = kernel === "prefill" ? spread(own) : gather(own);
    return [...shares].map(([place, share]) => ({ to, place, rows: pickRows(rows, share) }));
  });
}

type Shares = Map<number, Group[]>;

function gather(groups: readonly Group[]): Shares {
  const shares: Shares = new Map();
  for (const group of groups) {
    const known = group.places.find((place) => shares.has(place));
    add(shares, known ?? group.places[0], group);
  }
  return shares;
}

/** LPT: the longest first, each to the least loaded of the places that may have it. */
function spread(groups: readonly Group[]): Shares {
  const shares: Shares = new Map();
  const load = new Map<number, number>();
  const loadOf = (place: number): number => load.get(place) ?? 0;
  for (const group of groups.toSorted((a, b) => b.count - a.count)) {
    const place = group.places.reduce((best, other) => (loadOf(other) < loadOf(best) ? other : best));
    load.set(place, loadOf(place) + group.count);
    add(shares, place, group);
  }
  return shares;
}

function add(shares: Shares, place: number, group: Group): void {
  const share = shares.get(place);
  if (share === undefined) shares.set(place, [group]);
  else share.push(group);
}

/** The rows of some groups, still ordered by expert. */
function pickRows({ tokens, experts, slots }: RoutedRows, groups: readonly Group[]): RoutedRows {
  const ordered = groups.toSorted((a, b) => a.first - b.first);
  const picked = ordered.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
  const pick = (values: Int32Array): Int32Array => Int32Array.from(picked, (row) => values[row] as number);
  return { count: picked.length, tokens: pick(tokens), experts: pick(experts), slots: pick(slots) };
}

/** Rows as the wire carries them: with the hidden states of just the tokens they name. */
export function toExpertCall(
  { layer, kernel, inputs, weights }: RemoteCall,
  { tokens, experts, slots }: RoutedRows,
  { hidden, summed }: { readonly hidden: number; readonly summed: boolean },
): ExpertCall {
  const { compact, indices } = compactTokens(inputs, tokens, hidden);
  return {
    layer,
    kernel,
    inputs: compact,
    tokens: indices,
    experts,
    weights: summed ? Float32Array.from(slots, (slot) => weights[slot] as number) : null,
  };
}

function compactTokens(
  inputs: Float32Array,
  tokens: Int32Array,
  hidden: number,
): { readonly compact: Float32Array; readonly indices: Int32Array } {
  if (inputs.length === hidden) return { compact: inputs, indices: tokens };
  const named = [...new Set(tokens)].sort((a, b) => a - b);
  const compact = new Float32Array(named.length * hidden);
  const place = new Map<number, number>();
  for (const [index, token] of named.entries()) {
    compact.set(inputs.subarray(token * hidden, (token + 1) * hidden), index * hidden);
    place.set(token, index);
  }
  return { compact, indices: tokens.map((token) => place.get(token) as number) };
}
