/** Quantile of a sample by linear interpolation between order statistics (type 7, the default of R and NumPy). */
export function quantile(sample: readonly number[], share: number): number {
  const sorted = sample.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(sample: readonly number[]): number {
  return quantile(sample, 0.5);
}

export interface Spread {
  readonly n: number;
  readonly min: number;
  readonly p25: number;
  readonly median: number;
  readonly p75: number;
  readonly max: number;
}

export function spread(sample: readonly number[]): Spread {
  const [min, p25, p75, max] = [0, 0.25, 0.75, 1].map((share) => quantile(sample, share)) as [
    number,
    number,
    number,
    number,
  ];
  return { n: sample.length, min, p25, median: median(sample), p75, max };
}
