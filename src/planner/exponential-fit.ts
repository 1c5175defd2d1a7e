import { remoeError } from "../core/errors.ts";

/** T̃(y) = θ1 · exp(−θ2 · y) + θ3, with θ > 0. */
export interface ExponentialFit {
  readonly theta1: number;
  readonly theta2: number;
  readonly theta3: number;
  /** Root mean square of the errors, in the unit of the times. */
  readonly rmse: number;
  /** The same, relative to the mean time. */
  readonly relativeResidual: number;
}

export interface TimedMemory {
  /** y, in GiB. */
  readonly memory: number;
  readonly ms: number;
}

/**
 * Fits T̃(y) = θ1 · exp(−θ2 · y) + θ3 by least squares (Remoe, arXiv 2512.18674, decode time of a layer's experts against
 * memory). For a fixed θ2 the best θ1 and θ3 are a linear regression (variable projection), so that the search is one for
 * a single number: the best of a grid over every θ2 the points can tell apart, then golden section around it.
 * @param curve what it is the time of, for errors
 * @throws PROFILE_FIT_FAILED where the points do not determine θ > 0: fewer than three sizes, times that do not fall,
 *   a decline without a bend, or over before the second size
 */
export function fitExponential(curve: string, points: readonly TimedMemory[]): ExponentialFit {
  const fail = (reason: string): Error => remoeError("PROFILE_FIT_FAILED", { curve, reason });
  const invalid = points.find(({ memory, ms }) => !(memory > 0 && Number.isFinite(memory) && ms > 0 && ms < Infinity));
  if (invalid !== undefined) throw fail(`${invalid.ms} ms with ${invalid.memory} GiB is no measurement`);
  const sizes = [...new Set(points.map(({ memory }) => memory))].sort((a, b) => a - b);
  if (sizes.length < LEAST_SIZES) throw fail(`${sizes.length} sizes cannot determine three numbers`);
  const [least, most] = rateBounds(sizes);
  const best = minimise((rate) => regress(points, rate).squares, least, most);
  const { slope, offset, squares } = regress(points, best);
  const mean = points.reduce((sum, { ms }) => sum + ms, 0) / points.length;
  const range = Math.exp(-best * (sizes[0] as number)) - Math.exp(-best * (sizes.at(-1) as number));
  if (!(slope * range > FLAT * mean)) throw fail("the time does not fall with memory");
  if (best <= least * AT_BOUND) throw fail("the time falls in a straight line: θ2 could be any small number");
  if (best >= most / AT_BOUND)
    throw fail("the time falls between the first two sizes only: θ2 could be any large number");
  if (!(offset > 0)) throw fail(`the time would fall to ${offset} ms with much memory`);
  const rmse = Math.sqrt(squares / points.length);
  return { theta1: slope, theta2: best, theta3: offset, rmse, relativeResidual: rmse / mean };
}

const LEAST_SIZES = 3;
/** A decline smaller than this, relative to the mean, is none. */
const FLAT = 1e-6;
/** So near to a bound of its grid, θ2 is as good as on it. */
const AT_BOUND = 1.05;
/** θ2 times the whole range of sizes: below, the curve differs from a line by less than a thousandth of its fall. */
const STRAIGHTEST = 0.01;
/** θ2 times the first step: above, nothing is left of the decline at the second size. */
const STEEPEST = 16;

function rateBounds(sizes: readonly number[]): readonly [number, number] {
  const [first, second, last] = [sizes[0] as number, sizes[1] as number, sizes.at(-1) as number];
  return [STRAIGHTEST / (last - first), STEEPEST / (second - first)];
}

interface Regression {
  readonly slope: number;
  readonly offset: number;
  /** Σ errors² */
  readonly squares: number;
}

/** ms ≈ slope · exp(−rate · memory) + offset */
function regress(points: readonly TimedMemory[], rate: number): Regression {
  const xs = points.map(({ memory }) => Math.exp(-rate * memory));
  const meanX = xs.reduce((sum, x) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, { ms }) => sum + ms, 0) / points.length;
  let [xx, xy] = [0, 0];
  for (const [i, { ms }] of points.entries()) {
    const dx = (xs[i] as number) - meanX;
    xx += dx * dx;
    xy += dx * (ms - meanY);
  }
  const slope = xy / xx;
  const offset = meanY - slope * meanX;
  const squares = points.reduce((sum, { ms }, i) => sum + (slope * (xs[i] as number) + offset - ms) ** 2, 0);
  return { slope, offset, squares };
}

const GRID = 400;
const GOLDEN = (Math.sqrt(5) - 1) / 2;
const PRECISION = 1e-10;

/** The least value over all magnitudes between two numbers. */
function minimise(of: (x: number) => number, least: number, most: number): number {
  const at = (step: number): number => least * (most / least) ** (step / GRID);
  let best = 0;
  for (let step = 1; step <= GRID; step++) if (of(at(step)) < of(at(best))) best = step;
  let [low, high] = [at(Math.max(0, best - 1)), at(Math.min(GRID, best + 1))];
  while (high - low > PRECISION * high) {
    const [a, b] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
    if (of(a) <= of(b)) high = b;
    else low = a;
  }
  return (low + high) / 2;
}
