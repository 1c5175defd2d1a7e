import { createRandom } from "../src/core/random.ts";
import { quantile } from "../src/core/stats.ts";

/** A mean with its 95 % interval. */
export interface Estimate {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 1000;
const SEED = 2;

/** Mean of a sample of at least one value; the interval by bootstrap: of means of samples drawn from it with replacement. */
export function estimateMean(sample: readonly number[]): Estimate {
  const random = createRandom(SEED);
  const means = Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let i = 0; i < sample.length; i++) sum += sample[Math.floor(random() * sample.length)] as number;
    return sum / sample.length;
  });
  return { mean: meanOf(sample), low: quantile(means, 0.025), high: quantile(means, 0.975) };
}

export function meanOf(sample: readonly number[]): number {
  return sample.reduce((sum, value) => sum + value, 0) / sample.length;
}
