import type { SpeedCurve } from "../planner/cost-profile.ts";
import { nonNegativeLeastSquares } from "./non-negative-least-squares.ts";

/** A time measured with some virtual processors. */
export interface SpeedSample {
  readonly vcpus: number;
  /** How often each of the sought times is in it. */
  readonly factors: readonly number[];
  readonly ms: number;
  /** What errors are relative to, where the time is a rest of a larger one. Defaults to the time itself. */
  readonly scaleMs?: number;
}

export interface SpeedFit {
  /** One for each factor. */
  readonly curves: readonly SpeedCurve[];
  /** Root mean square of the relative errors. */
  readonly relativeResidual: number;
}

/**
 * Finds the times that ms ≈ Σ_i factors[i] · curve_i(vcpus) by least squares of relative errors. Curves are never
 * negative and never rise with processors: each is a sum of steps ≥ 0 from its right end, fitted all at once.
 * @param samples at least one
 */
export function fitSpeedCurves(samples: readonly SpeedSample[]): SpeedFit {
  const sizes = [...new Set(samples.map(({ vcpus }) => vcpus))].sort((a, b) => a - b);
  const terms = samples[0]?.factors.length ?? 0;
  const rows = samples.map(({ vcpus, factors, ms, scaleMs = ms }) =>
    factors.flatMap((factor) => sizes.map((size) => (size >= vcpus ? factor / scaleMs : 0))),
  );
  const steps = nonNegativeLeastSquares(
    rows,
    samples.map(({ ms, scaleMs = ms }) => ms / scaleMs),
  );
  const curves = Array.from({ length: terms }, (_, term) =>
    toCurve(sizes, steps.slice(term * sizes.length, (term + 1) * sizes.length)),
  );
  return { curves, relativeResidual: residual(samples, curves) };
}

function toCurve(vcpus: readonly number[], steps: readonly number[]): SpeedCurve {
  return { vcpus, ms: vcpus.map((_, size) => steps.slice(size).reduce((total, step) => total + step, 0)) };
}

function residual(samples: readonly SpeedSample[], curves: readonly SpeedCurve[]): number {
  const squares = samples.map(({ vcpus, factors, ms, scaleMs = ms }) => {
    const fitted = curves.reduce(
      (total, curve, term) => total + (factors[term] as number) * (curve.ms[curve.vcpus.indexOf(vcpus)] as number),
      0,
    );
    return ((fitted - ms) / scaleMs) ** 2;
  });
  return Math.sqrt(squares.reduce((total, square) => total + square, 0) / squares.length);
}
