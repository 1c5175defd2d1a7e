import type { ExpertTimes } from "../planner/cost-profile.ts";
import { scaleCurve, timeAt } from "../planner/speed-curve.ts";
import { fitSpeedCurves, type SpeedFit } from "./fit-speed-curves.ts";
import type { ExpertCallPoint, Measurements, SplitDecodePoint } from "./measurements.ts";
import { slowdownOf } from "./slowdown.ts";

export interface IdentifiedExperts {
  readonly times: ExpertTimes;
  readonly decode: SpeedFit;
  readonly prefill: SpeedFit;
}

type Sources = Pick<Measurements, "shape" | "expertCalls" | "splitDecodes">;

/**
 * Experts in a function of their own. How a time is made up follows from calls one after the other; how long a decode call
 * takes in all, from main functions that decode: the caches are colder there, and a function with less than a processor
 * spends part of its share on waiting for the next call.
 */
export function identifyExperts(sources: Sources): IdentifiedExperts {
  const { expertCalls } = sources;
  const decodeCalls = expertCalls.filter(({ kernel }) => kernel === "decode");
  const decode = fitSpeedCurves(
    decodeCalls.map((call) => ({
      vcpus: call.vcpus,
      factors: [1, call.rows],
      ms: call.ms.median * decodeScale(call, decodeCalls, sources),
    })),
  );
  const { prefillExpert, prefillRow, fit: prefill } = identifyPrefill(sources);
  const [decodeLayer, decodeRow] = pair(decode);
  return { times: { decodeLayer, decodeRow, prefillExpert, prefillRow }, decode, prefill };
}

/**
 * Times of one processor, and how many times as long the calls of whole prompts take with more or less of it. Calls to one
 * expert are over before a function has used up its share of a period: they tell nothing about long ones.
 */
function identifyPrefill({ expertCalls }: Pick<Sources, "expertCalls">) {
  const calls = expertCalls.filter(({ kernel }) => kernel === "prefill");
  const fit = fitSpeedCurves(
    calls
      .filter(({ vcpus }) => vcpus === 1)
      .map(({ vcpus, experts, rows, ms }) => ({ vcpus, factors: [experts, rows], ms: ms.median })),
  );
  const most = Math.max(...calls.map(({ experts }) => experts));
  const slowdown = slowdownOf(
    calls
      .filter(({ experts }) => experts === most)
      .map(({ vcpus, rows, ms }) => ({ vcpus, kind: rows, ms: ms.median })),
  );
  const [expert, row] = pair(fit);
  return {
    fit,
    prefillExpert: scaleCurve(slowdown, timeAt(expert, 1)),
    prefillRow: scaleCurve(slowdown, timeAt(row, 1)),
  };
}

/** Main functions of one processor that call expert functions of some size for every layer. */
function callers({ splitDecodes, shape }: Sources, expertVcpus: number): SplitDecodePoint | undefined {
  return splitDecodes.find(
    (point) => point.vcpus === 1 && point.expertVcpus === expertVcpus && point.remoteLayers === shape.layers,
  );
}

/** A call of k rows from a decoding main function relative to one of many from here. */
function decodeScale({ vcpus }: ExpertCallPoint, calls: readonly ExpertCallPoint[], sources: Sources): number {
  const { layers, expertsPerToken } = sources.shape;
  const [own, reference] = [callers(sources, vcpus), callers(sources, 1)];
  const here = calls.find((call) => call.vcpus === vcpus && call.rows === expertsPerToken);
  if (own === undefined || reference === undefined || here === undefined) return 1;
  const waitedMs = (own.token.ms.median - reference.token.ms.median) / layers + reference.busyMs.median;
  return Math.max(own.busyMs.median, waitedMs) / here.ms.median;
}

function pair({ curves: [first, second] }: SpeedFit) {
  if (first === undefined || second === undefined) throw new RangeError("nothing was measured");
  return [first, second] as const;
}
