import type { SpeedCurve } from "./cost-profile.ts";

/** A curve's time with some virtual processors. More of them never take longer. */
export function timeAt({ vcpus, ms }: SpeedCurve, at: number): number {
  const next = vcpus.findIndex((sample) => sample >= at);
  if (next === -1) return ms.at(-1) as number;
  const [right, rightMs] = [vcpus[next] as number, ms[next] as number];
  if (next === 0) return (rightMs * right) / at;
  const [left, leftMs] = [vcpus[next - 1] as number, ms[next - 1] as number];
  const share = (1 / left - 1 / at) / (1 / left - 1 / right);
  return leftMs + share * (rightMs - leftMs);
}

/** The curve of something that takes so many times as long. */
export function scaleCurve({ vcpus, ms }: SpeedCurve, factor: number): SpeedCurve {
  return { vcpus, ms: ms.map((time) => factor * time) };
}
