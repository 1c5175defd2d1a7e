import { createRandom } from "../core/random.ts";
import type { WeightedSample } from "../predictor/any-remote.ts";
import type { ActivationMatrix, RoutingSample } from "../predictor/example.ts";
import type { Demand, ModelSizes, RoutedSets } from "./problem.ts";

type Shape = Pick<ModelSizes, "layers" | "experts" | "expertsPerToken">;

/** Tokens whose sets are looked at: more would change shares by two or three hundredths, a third of what requests do. */
const TOKENS = 512;
const SEED = 1;

/**
 * What a request is expected to activate, from its predicted matrix and the sets that gates chose for similar ones. Where
 * no token is known, sets are drawn from the matrix, expert after expert without replacement.
 */
export function toDemand(matrix: ActivationMatrix, samples: readonly WeightedSample[], shape: Shape): Demand {
  const known = samples.filter(({ sample }) => sample.tokens.length > 0);
  if (known.length === 0) return { matrix, sets: drawSets(matrix, shape) };
  const chosen = chooseTokens(known);
  const weights = Float64Array.from(chosen, ({ weight }) => weight);
  const sets = Array.from({ length: shape.layers }, (_, layer) => ({
    experts: collect(chosen, layer, shape),
    weights,
  }));
  return { matrix, sets };
}

/** All, or as many of each request as its share of the weight, which tells most by so many; spread evenly. */
function chooseTokens(samples: readonly WeightedSample[]): ChosenToken[] {
  const all = samples.reduce((sum, { sample }) => sum + sample.tokens.length, 0);
  const weights = samples.reduce((sum, { weight }) => sum + weight, 0);
  return samples.flatMap(({ sample, weight }) => {
    const known = sample.tokens.length;
    const fair = Math.max(1, Math.round((TOKENS * weight) / weights));
    const count = all <= TOKENS ? known : Math.min(known, fair);
    return Array.from({ length: count }, (_, i) => ({
      sample,
      position: Math.floor((i * known) / count),
      // A request counts by its similarity, however many of its tokens are known.
      weight: weight / count,
    }));
  });
}

interface ChosenToken {
  readonly sample: RoutingSample;
  readonly position: number;
  readonly weight: number;
}

/** [tokens × expertsPerToken] */
function collect(chosen: readonly ChosenToken[], layer: number, { layers, expertsPerToken: k }: Shape): Uint16Array {
  const experts = new Uint16Array(chosen.length * k);
  let at = 0;
  for (const { sample, position } of chosen) {
    const gate = (position * layers + layer) * k;
    for (let i = 0; i < k; i++) experts[at++] = sample.experts[gate + i] as number;
  }
  return experts;
}

function drawSets(matrix: ActivationMatrix, { layers, experts, expertsPerToken: k }: Shape): RoutedSets[] {
  const random = createRandom(SEED);
  // The same for all layers: nothing is asked of two of them together.
  const uniforms = Float64Array.from({ length: TOKENS * k }, random);
  const weights = new Float64Array(TOKENS).fill(1);
  return Array.from({ length: layers }, (_, layer) => {
    const before = sumsBefore(matrix.subarray(layer * experts, (layer + 1) * experts));
    const drawn = new Uint16Array(TOKENS * k);
    for (let token = 0; token < drawn.length; token += k) {
      drawSet(before, uniforms.subarray(token, token + k), drawn.subarray(token, token + k));
    }
    return { experts: drawn, weights };
  });
}

/**
 * Draws one expert after the other, by the shares of those left.
 * @param before sums of the shares of all experts before each. [experts + 1]
 * @param uniforms in [0, 1). [expertsPerToken]
 * @param set takes what is drawn, ascending. [expertsPerToken]
 */
function drawSet(before: Float64Array, uniforms: Float64Array, set: Uint16Array): void {
  const experts = before.length - 1;
  let left = before[experts] as number;
  for (let size = 0; size < set.length; size++) {
    let point = (uniforms[size] as number) * left;
    for (let i = 0; i < size && point >= (before[set[i] as number] as number); i++) {
      point += shareOf(before, set[i] as number);
    }
    let expert = expertAt(before, point);
    // Where shares are used up, or by a rounding: the next one left.
    while (isIn(set, size, expert)) expert = (expert + 1) % experts;
    let at = size;
    for (; at > 0 && (set[at - 1] as number) > expert; at--) set[at] = set[at - 1] as number;
    set[at] = expert;
    left -= shareOf(before, expert);
  }
}

function shareOf(before: Float64Array, expert: number): number {
  return (before[expert + 1] as number) - (before[expert] as number);
}

/** The last expert that starts at the point or before it. */
function expertAt(before: Float64Array, point: number): number {
  let [low, high] = [0, before.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if ((before[middle] as number) <= point) low = middle;
    else high = middle;
  }
  return low;
}

function isIn(set: Uint16Array, size: number, expert: number): boolean {
  for (let i = 0; i < size; i++) if (set[i] === expert) return true;
  return false;
}

function sumsBefore(shares: Float32Array): Float64Array {
  const sums = new Float64Array(shares.length + 1);
  for (let i = 0; i < shares.length; i++) sums[i + 1] = (sums[i] as number) + (shares[i] as number);
  return sums;
}
