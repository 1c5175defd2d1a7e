import type { RequestTimings } from "../gateway/trace.ts";
import type { Slo } from "../planner/problem.ts";
import { formatMs } from "./format.ts";

/** `null` where there is no objective or nothing was measured. */
export interface SloOutcome {
  readonly ttftMet: boolean | null;
  readonly tpotMet: boolean | null;
}

/** Compares what was measured with the objectives; `null` if there are none. */
export function judgeSlo({ ttftMs, tpotMs }: Slo, timings: RequestTimings): SloOutcome | null {
  if (ttftMs === null && tpotMs === null) return null;
  return { ttftMet: isMet(timings.ttftMs, ttftMs), tpotMet: isMet(timings.tpotMs, tpotMs) };
}

function isMet(measured: number | null, objective: number | null): boolean | null {
  return measured === null || objective === null ? null : measured <= objective;
}

/** A line for each objective: `TTFT objective of 500 ms met: 35 ms`. */
export function describeSlo(slo: Slo, timings: RequestTimings): readonly string[] {
  return [describe("TTFT", timings.ttftMs, slo.ttftMs), describe("TPOT", timings.tpotMs, slo.tpotMs)].flat();
}

function describe(name: string, measured: number | null, objective: number | null): string[] {
  if (objective === null) return [];
  if (measured === null) return [`${name} objective of ${formatMs(objective)} not measured: too few tokens`];
  const verdict = measured <= objective ? "met" : "missed";
  return [`${name} objective of ${formatMs(objective)} ${verdict}: ${formatMs(measured)}`];
}
