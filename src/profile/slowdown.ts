import type { SpeedCurve } from "../planner/cost-profile.ts";
import { scaleCurve, timeAt } from "../planner/speed-curve.ts";
import { fitSpeedCurves } from "./fit-speed-curves.ts";

/** How long work of some kind takes with some virtual processors. */
export interface WorkTime {
  readonly vcpus: number;
  /** Times of equal kinds are compared. */
  readonly kind: number;
  readonly ms: number;
}

/**
 * How many times as long work takes as on one processor; kinds that were not measured there do not count. By least squares of
 * the times themselves, so that long work decides: short work ends within a function's share of a period.
 */
export function slowdownOf(times: readonly WorkTime[]): SpeedCurve {
  const alone = new Map(times.filter(({ vcpus }) => vcpus === 1).map(({ kind, ms }) => [kind, ms]));
  const { curves } = fitSpeedCurves(
    times.flatMap(({ vcpus, kind, ms }) => {
      const aloneMs = alone.get(kind);
      return aloneMs === undefined ? [] : [{ vcpus, factors: [aloneMs], ms, scaleMs: 1 }];
    }),
  );
  const [curve] = curves as readonly [SpeedCurve];
  return scaleCurve(curve, 1 / timeAt(curve, 1));
}
