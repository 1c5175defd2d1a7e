import type { SpeedCurve } from "../planner/cost-profile.ts";

export function scaleCurve({ vcpus, ms }: SpeedCurve, factor: number): SpeedCurve {
  return { vcpus, ms: ms.map((time) => factor * time) };
}
