import { createRandom } from "../core/random.ts";
import type { WeightedSample } from "../predictor/any-remote.ts";
import type { ActivationMatrix, RoutingSample } from "../predictor/example.ts";
import type { Demand, ModelSizes, RoutedSets } from "./problem.ts";

type Shape = Pick<ModelSizes, "layers" | "experts" | "expertsPerToken">;

/** Tokens whose sets are looked at, spread evenly over all there are: more change shares by less than a hundredth. */
const MOST_TOKENS = 2_000;
const DRAWN_TOKENS = 512;
const SEED = 1;

/**
 * What a request is expected to activate, from its predicted matrix and the sets that gates chose for similar ones. Where
 * no token is known, sets are drawn from the matrix, expert after expert without replacement.
 */
export function toDemand(matrix: ActivationMatrix, samples: readonly WeightedSample[], shape: Shape): Demand {
  const tokens = samples.reduce((sum, { sample }) => sum + sample.tokens.length, 0);
  if (tokens === 0) return { matrix, sets: drawSets(matrix, shape) };
  const step = Math.max(1, Math.ceil(tokens / MOST_TOKENS));
  const chosen = samples.flatMap(({ sample, weight }) =>
    Array.from({ length: Math.ceil(sample.tokens.length / step) }, (_, i) => ({
      sample,
      position: i * step,
      // A request counts by its similarity, however many of its tokens are known.
      weight: (weight * step) / sample.tokens.length,
    })),
  );
  const sets = Array.from({ length: shape.layers }, (_, layer) => collect(chosen, layer, shape));
  return { matrix, sets };
}

interface ChosenToken {
  readonly sample: RoutingSample;
  readonly position: number;
  readonly weight: number;
}

function collect(chosen: readonly ChosenToken[], layer: number, { layers, expertsPerToken: k }: Shape): RoutedSets {
  const experts = new Uint16Array(chosen.length * k);
  for (const [i, { sample, position }] of chosen.entries()) {
    const gate = (position * layers + layer) * k;
    experts.set(sample.experts.subarray(gate, gate + k), i * k);
  }
  return { experts, weights: Float64Array.from(chosen, ({ weight }) => weight) };
}

function drawSets(matrix: ActivationMatrix, { layers, experts, expertsPerToken: k }: Shape): RoutedSets[] {
  const random = createRandom(SEED);
  const weights = new Float64Array(DRAWN_TOKENS).fill(1);
  return Array.from({ length: layers }, (_, layer) => {
    const shares = matrix.subarray(layer * experts, (layer + 1) * experts);
    const drawn = Array.from({ length: DRAWN_TOKENS }, () => drawSet(shares, k, random)).flat();
    return { experts: Uint16Array.from(drawn), weights };
  });
}

/** The k greatest of u^(1/share) have the distribution of k draws without replacement (Efraimidis and Spirakis, 2006). */
function drawSet(shares: Float32Array, k: number, random: () => number): number[] {
  const drawn: number[] = [];
  const keys: number[] = [];
  for (let expert = 0; expert < shares.length; expert++) {
    const key = Math.log(random()) / Math.max(shares[expert] as number, Number.MIN_VALUE);
    if (drawn.length === k && key <= (keys[k - 1] as number)) continue;
    // There are thousands of sets, and few of all experts make it into each: sorting all of them takes ten times as long.
    let at = Math.min(drawn.length, k - 1);
    for (; at > 0 && key > (keys[at - 1] as number); at--) {
      drawn[at] = drawn[at - 1] as number;
      keys[at] = keys[at - 1] as number;
    }
    drawn[at] = expert;
    keys[at] = key;
  }
  return drawn;
}
