import type { Budget } from "./budget.ts";
import type { BoundAt, Relaxed } from "./relaxation.ts";
import { peakOf, type TangentPlane, type TimePrices, tangentPlane } from "./tangent-planes.ts";

export interface RaiseOptions {
  /** Prices to begin with: near the best ones there is less to do. */
  readonly start: TimePrices;
  /** A bound as high as that need not be raised any more. */
  readonly enough: number;
}

/** To begin with where nothing is known. */
export const FREE: TimePrices = { token: 0, ttft: 0 };
/** A price, in times the price of that time itself, that leaves little but how to keep a limit. */
const PROHIBITIVE = 1e6;
/** How much more the best prices may be than those to begin with, unless they turn out to be. */
const NEARBY = 4;
const CUTS = 32;
/** Bounds this much apart count as equal. */
const TOLERANCE = 1e-4;
/** A little above the best price limits hold, a little below they do not. */
const ABOVE = 1 + 1e-4;
/** By how much, and how often, prices are raised at which limits are missed; to begin with, to a share of that time's own. */
const RAISE = 4;
const RAISES = 6;
const RAISED_FROM = 0.1;

/**
 * The prices of time with the greatest bound, which is concave: next comes where its tangents' peak is (Kelley's cutting
 * planes, 1960).
 * @returns the best bound found, then one at prices that keep the limits better, if there is another. None if not even
 * everything remote saves enough memory
 */
export function* raiseBound(
  boundAt: BoundAt,
  budget: Budget,
  { start, enough }: RaiseOptions,
): Generator<void, readonly Relaxed[], void> {
  const first = boundAt(start);
  if (first === null) return [];
  const prohibitive = prohibitivePrices(budget);
  const ranges = [nearbyPrices(start, prohibitive), prohibitive];
  const planes = [tangentOf(first)];
  let [best, kept] = [first, first];
  for (let cuts = 0; cuts < CUTS && best.bound < enough; cuts++) {
    const prices = nextPrices(planes, best.bound, ranges);
    const tried = prices === null ? null : boundAt(prices);
    if (tried === null) break;
    yield;
    planes.push(tangentOf(tried));
    if (tried.bound > best.bound) best = tried;
    if (isKeptBetter(tried, kept, budget)) kept = tried;
  }
  if (best.bound < enough) kept = keep(boundAt, budget, kept);
  return kept === best ? [best] : [best, kept];
}

/** The bound may be best between two choices of which one misses limits: where these cost more, it is not chosen. */
function keep(boundAt: BoundAt, budget: Budget, missing: Relaxed): Relaxed {
  const prohibitive = prohibitivePrices(budget);
  const raised = (price: number, own: number): number => RAISE * Math.max(price, RAISED_FROM * own);
  let kept = missing;
  for (let raises = 0; raises < RAISES && missedLimits(kept, budget) > 0; raises++) {
    const { token, ttft } = kept.multipliers;
    const prices = {
      token: kept.tokenMs > budget.tokenMs ? raised(token, budget.tokenPrice) : token,
      ttft: kept.ttftMs > budget.ttftMs ? raised(ttft, budget.prefillPrice) : ttft,
    };
    if (prices.token > prohibitive.token || prices.ttft > prohibitive.ttft) break;
    kept = boundAt(prices) ?? kept;
  }
  return missedLimits(kept, budget) < missedLimits(missing, budget) ? kept : missing;
}

/** A limit that is not there has no price. */
function prohibitivePrices({ tokenPrice, prefillPrice, tokenMs, ttftMs }: Budget): TimePrices {
  // Where time is free, any price will do to begin with.
  return {
    token: tokenMs === Number.POSITIVE_INFINITY ? 0 : PROHIBITIVE * (tokenPrice || 1),
    ttft: ttftMs === Number.POSITIVE_INFINITY ? 0 : PROHIBITIVE * (prefillPrice || 1),
  };
}

function nearbyPrices({ token, ttft }: TimePrices, prohibitive: TimePrices): TimePrices {
  return {
    token: token > 0 ? Math.min(NEARBY * token, prohibitive.token) : prohibitive.token,
    ttft: ttft > 0 ? Math.min(NEARBY * ttft, prohibitive.ttft) : prohibitive.ttft,
  };
}

/** Where the tangents have their peak in the first of some ranges where that is above a bound; `null` if nowhere. */
function nextPrices(planes: readonly TangentPlane[], bound: number, ranges: readonly TimePrices[]): TimePrices | null {
  for (const most of ranges) {
    const { prices, value } = peakOf(planes, most);
    if (value > bound + TOLERANCE * Math.abs(bound)) return { token: ABOVE * prices.token, ttft: ABOVE * prices.ttft };
  }
  return null;
}

function tangentOf({ bound, multipliers, slope }: Relaxed): TangentPlane {
  return tangentPlane(bound, multipliers, slope);
}

function isKeptBetter(tried: Relaxed, kept: Relaxed, budget: Budget): boolean {
  const [more, before] = [missedLimits(tried, budget), missedLimits(kept, budget)];
  return more < before || (more === before && tried.bound >= kept.bound);
}

function missedLimits({ tokenMs, ttftMs }: Relaxed, budget: Budget): number {
  return Number(tokenMs > budget.tokenMs) + Number(ttftMs > budget.ttftMs);
}
