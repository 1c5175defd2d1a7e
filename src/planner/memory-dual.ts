/** T̃(y) = θ1 exp(−θ2 y) + θ3: what a layer's experts take a token, in milliseconds, with y GiB. All positive. */
export interface ExponentialTime {
  readonly theta1: number;
  readonly theta2: number;
  readonly theta3: number;
}

/** Sizes of remote functions that share one budget of time. */
export interface DualProblem {
  readonly time: ExponentialTime;
  readonly layers: readonly DualLayer[];
  /** H^w: the price of a millisecond of the main function. */
  readonly mainRate: number;
  /** c^c: the price of a millisecond of a GiB. */
  readonly memoryRate: number;
  /** For all layers of a token; infinite without an objective. */
  readonly budgetMs: number;
}

export interface DualLayer {
  /** s̃_l: expected share of the layer's rows that are remote. */
  readonly share: number;
  /** t^rem_l: expected overhead of a token's call. */
  readonly callMs: number;
  /** m_1, or the size that holds the weights. */
  readonly leastGb: number;
  readonly mostGb: number;
}

export interface DualSolution {
  /** λ: what a millisecond of the budget is worth; infinite if even the largest sizes take longer than the budget. */
  readonly lambda: number;
  /** y_l of each layer. */
  readonly memoryGb: readonly number[];
}

/**
 * Minimises Σ_l (s̃_l T̃(y_l) + t^rem_l) (H^w + c^c y_l) with Σ_l (s̃_l T̃(y_l) + t^rem_l) within the budget, by its
 * Lagrangian dual (Remoe, arXiv 2512.18674). The paper's factor 1 + η scales the objective and with it λ, not the
 * sizes.
 *
 * For one λ the layers are apart: each minimises (s̃ T̃ + t)(H^w + λ + c y), so λ acts as a higher price of the main
 * function. A greater λ never makes a size smaller nor the time longer; the least that keeps the budget is bisected.
 * Where a layer is not convex its size may jump at that λ: the result then keeps the budget and leaves some of it.
 */
export function solveDual(problem: DualProblem): DualSolution {
  const at = (lambda: number): number[] => problem.layers.map((layer) => bestSize(problem, layer, lambda));
  const isWithin = (memoryGb: readonly number[]): boolean => totalMs(problem, memoryGb) <= problem.budgetMs;
  const cheapest = at(0);
  if (isWithin(cheapest)) return { lambda: 0, memoryGb: cheapest };
  const largest = problem.layers.map(({ mostGb }) => mostGb);
  if (!isWithin(largest)) return { lambda: Number.POSITIVE_INFINITY, memoryGb: largest };
  // Any price to begin with, also where the book has none.
  let [low, high] = [0, problem.mainRate + Number.EPSILON];
  for (; !isWithin(at(high)); high *= 2) {
    if (high === Number.POSITIVE_INFINITY) return { lambda: high, memoryGb: largest };
    low = high;
  }
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    if (isWithin(at(middle))) high = middle;
    else low = middle;
  }
  return { lambda: high, memoryGb: at(high) };
}

/** Halvings until a double has no more digits. */
const BISECTIONS = 60;

/**
 * The y of one layer that minimises φ(y) = (s̃ T̃(y) + t)(H + c y), H = H^w + λ.
 *
 * φ''(y) = s̃ θ1 θ2 exp(−θ2 y) (θ2 (H + c y) − 2c): concave up to y° = 2/θ2 − H/c and convex from there, everywhere
 * above 0 if θ2 ≥ 2c/H. A concave piece is lowest at one of its ends and a convex one where φ' changes its sign, so
 * that with the range split at y° the least of both is exact, where the paper asks for convexity.
 */
export function bestSize({ time, mainRate, memoryRate }: DualProblem, layer: DualLayer, lambda: number): number {
  const priced = { time, layer, price: mainRate + lambda, memoryRate };
  const inflection = 2 / time.theta2 - priced.price / memoryRate;
  const lowest = lowestOfConvex(priced, Math.min(layer.mostGb, Math.max(layer.leastGb, inflection)));
  return costAt(priced, layer.leastGb) <= costAt(priced, lowest) ? layer.leastGb : lowest;
}

interface PricedLayer {
  readonly time: ExponentialTime;
  readonly layer: DualLayer;
  /** H^w + λ */
  readonly price: number;
  /** c */
  readonly memoryRate: number;
}

/** φ(y) */
function costAt({ time, layer, price, memoryRate }: PricedLayer, y: number): number {
  return layerMs(time, layer, y) * (price + memoryRate * y);
}

/** φ'(y) */
function slopeAt({ time, layer, price, memoryRate }: PricedLayer, y: number): number {
  const fall = layer.share * time.theta1 * time.theta2 * Math.exp(-time.theta2 * y);
  return memoryRate * layerMs(time, layer, y) - fall * (price + memoryRate * y);
}

/** Where φ is lowest from some size, from which on it is convex, to the largest. */
function lowestOfConvex(priced: PricedLayer, from: number): number {
  let [low, high] = [from, priced.layer.mostGb];
  if (slopeAt(priced, low) >= 0) return low;
  if (slopeAt(priced, high) <= 0) return high;
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    if (slopeAt(priced, middle) < 0) low = middle;
    else high = middle;
  }
  return high;
}

/** s̃ T̃(y) + t */
function layerMs({ theta1, theta2, theta3 }: ExponentialTime, { share, callMs }: DualLayer, y: number): number {
  return share * (theta1 * Math.exp(-theta2 * y) + theta3) + callMs;
}

function totalMs({ time, layers }: DualProblem, memoryGb: readonly number[]): number {
  return layers.reduce((sum, layer, i) => sum + layerMs(time, layer, memoryGb[i] as number), 0);
}
