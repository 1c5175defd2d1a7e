import type { ModelSizes, RoutedSets } from "./problem.ts";

/**
 * P(j of a token's k rows are remote), j = 0 … k. Counted from the sets that gates chose: experts are chosen together or
 * never, so products of shares would be far off. One pass; see {@link RemoteRows} for many counts of one layer.
 * @throws RangeError when something is remote and no token counts
 */
export function countRemoteRows(
  { experts, weights }: RoutedSets,
  remote: readonly number[],
  sizes: Pick<ModelSizes, "experts" | "expertsPerToken">,
): Float64Array {
  const k = sizes.expertsPerToken;
  const shares = new Float64Array(k + 1);
  // Nothing needs counting, and nothing has to be known.
  if (remote.length === 0) return shares.fill(1, 0, 1);
  const isRemote = new Uint8Array(sizes.experts);
  for (const expert of remote) isRemote[expert] = 1;
  for (let token = 0; token < weights.length; token++) {
    let rows = 0;
    for (let i = 0; i < k; i++) rows += isRemote[experts[token * k + i] as number] as number;
    shares[rows] = (shares[rows] as number) + (weights[token] as number);
  }
  const total = totalOf(weights);
  return shares.map((weight) => weight / total);
}

/** {@link countRemoteRows} of the first r experts of an order, for every r. */
export class RemoteRows {
  readonly #width: number;
  /** [(experts + 1) × (k + 1)] */
  readonly #shares: Float64Array;

  /**
   * @param order every expert once, the first to become remote first
   * @throws RangeError when no token counts
   */
  constructor(sets: RoutedSets, order: ArrayLike<number>, expertsPerToken: number) {
    this.#width = expertsPerToken + 1;
    this.#shares = toShares(countMembers(sets, order, expertsPerToken), order.length, expertsPerToken);
  }

  /** P(j remote rows), j = 0 … k, with the first r experts remote. [k + 1] */
  shares(r: number): Float64Array {
    return this.#shares.subarray(r * this.#width, (r + 1) * this.#width);
  }
}

/**
 * For i = 1 … k and every place p in the order: the share of tokens whose i-th expert in that order is at p.
 * [k × experts]
 */
function countMembers({ experts, weights }: RoutedSets, order: ArrayLike<number>, k: number): Float64Array {
  const places = new Int32Array(order.length);
  for (let place = 0; place < order.length; place++) places[order[place] as number] = place;
  const counts = new Float64Array(k * order.length);
  const total = totalOf(weights);
  const own = new Int32Array(k);
  for (let token = 0; token < weights.length; token++) {
    for (let i = 0; i < k; i++) own[i] = places[experts[token * k + i] as number] as number;
    const share = (weights[token] as number) / total;
    for (let i = 0; i < k; i++) {
      const place = own[i] as number;
      let earlier = 0;
      // The sign of a difference instead of a comparison: so short a loop spends its time on mispredicted branches.
      for (let j = 0; j < k; j++) earlier += ((own[j] as number) - place) >>> 31;
      const at = earlier * order.length + place;
      counts[at] = (counts[at] as number) + share;
    }
  }
  return counts;
}

/** @throws RangeError when it is 0: of such a layer nothing is known, and its shares would not be numbers */
function totalOf(weights: Float64Array): number {
  let total = 0;
  for (const weight of weights) total += weight;
  if (total > 0) return total;
  throw new RangeError("no token of the layer counts");
}

/** P(at least i remote | r) = Σ_{p < r} counts[i][p]; P(exactly i) is the difference of two of them. */
function toShares(counts: Float64Array, experts: number, k: number): Float64Array {
  const shares = new Float64Array((experts + 1) * (k + 1));
  const atLeast = new Float64Array(k + 2);
  atLeast[0] = 1;
  for (let r = 0; r <= experts; r++) {
    for (let j = 0; j <= k; j++) {
      shares[r * (k + 1) + j] = Math.max(0, (atLeast[j] as number) - (atLeast[j + 1] as number));
    }
    for (let i = 1; i <= k && r < experts; i++) {
      atLeast[i] = (atLeast[i] as number) + (counts[(i - 1) * experts + r] as number);
    }
  }
  return shares;
}
