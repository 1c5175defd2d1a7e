/** Prices of a millisecond of a token, and of one until the first token. */
export interface TimePrices {
  readonly token: number;
  readonly ttft: number;
}

/** A tangent of a concave function of two prices: what it says at no prices, and how it rises with each. */
export interface TangentPlane {
  readonly value: number;
  readonly slope: TimePrices;
}

/** Where the least of some planes is greatest. */
export interface Peak {
  readonly prices: TimePrices;
  readonly value: number;
}

/** The tangent through a point. */
export function tangentPlane(value: number, at: TimePrices, slope: TimePrices): TangentPlane {
  return { value: value - at.token * slope.token - at.ttft * slope.ttft, slope };
}

/**
 * The peak of a concave function's tangents, for prices from 0 to some: a linear program of two variables. Each price
 * until the first token has a highest point along the tokens' price; that is concave again, so its tangents lead to the peak.
 * @param planes at least one
 */
export function peakOf(planes: readonly TangentPlane[], most: TimePrices): Peak {
  let low = crest(planes, 0, most.token);
  if (low.slope <= 0) return low;
  let high = crest(planes, most.ttft, most.token);
  if (high.slope >= 0) return high;
  // Each tangent that leads on is another pair of planes; rounding may make one lead back.
  for (let steps = 0; steps < planes.length ** 2; steps++) {
    const { ttft: lowTtft } = low.prices;
    const rise = high.value - low.value + low.slope * lowTtft - high.slope * high.prices.ttft;
    const ttft = rise / (low.slope - high.slope);
    const tried = crest(planes, ttft, most.token);
    if (ttft <= lowTtft || ttft >= high.prices.ttft) return tried;
    if (tried.slope > 0) low = tried;
    else high = tried;
    if (tried.slope === 0) break;
  }
  return low.value > high.value ? low : high;
}

interface Crest extends Peak {
  /** How the highest point rises with the price until the first token. */
  readonly slope: number;
}

/** The highest point along the tokens' price: goes up the lowest plane, from where that meets another up this, … */
function crest(planes: readonly TangentPlane[], ttft: number, most: number): Crest {
  let lowest = lowestAt(planes, { token: 0, ttft });
  let [before, token] = [lowest, 0];
  while (lowest.slope.token > 0) {
    const crossing = nextCrossing(planes, lowest, { token, ttft }, most);
    before = lowest;
    if (crossing === null) {
      token = most;
      break;
    }
    ({ token, plane: lowest } = crossing);
  }
  const value = valueAt(before, { token, ttft });
  // On the ridge between two planes, one rising and one falling, both count.
  const share = lowest === before ? 1 : -lowest.slope.token / (before.slope.token - lowest.slope.token);
  return { prices: { token, ttft }, value, slope: share * before.slope.ttft + (1 - share) * lowest.slope.ttft };
}

function lowestAt(planes: readonly TangentPlane[], prices: TimePrices): TangentPlane {
  return planes.reduce((lowest, plane) => (valueAt(plane, prices) < valueAt(lowest, prices) ? plane : lowest));
}

function nextCrossing(
  planes: readonly TangentPlane[],
  lowest: TangentPlane,
  { token, ttft }: TimePrices,
  most: number,
): { readonly token: number; readonly plane: TangentPlane } | null {
  let next: { token: number; plane: TangentPlane } | null = null;
  const value = valueAt(lowest, { token: 0, ttft });
  for (const plane of planes) {
    if (plane.slope.token >= lowest.slope.token) continue;
    const apart = valueAt(plane, { token: 0, ttft }) - value;
    const at = Math.max(token, apart / (lowest.slope.token - plane.slope.token));
    if (at >= (next?.token ?? most)) continue;
    next = { token: at, plane };
  }
  return next;
}

function valueAt({ value, slope }: TangentPlane, { token, ttft }: TimePrices): number {
  return value + slope.token * token + slope.ttft * ttft;
}
