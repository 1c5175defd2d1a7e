import type { ExpertTimes } from "../planner/cost-profile.ts";
import { fitSpeedCurves, type SpeedFit } from "./fit-speed-curves.ts";
import type { ExpertCallPoint, Measurements, SplitDecodePoint } from "./measurements.ts";

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
  const prefill = fitSpeedCurves(
    expertCalls
      .filter(({ kernel }) => kernel === "prefill")
      .map(({ vcpus, experts, rows, ms }) => ({ vcpus, factors: [experts, rows], ms: ms.median })),
  );
  const [decodeLayer, decodeRow] = pair(decode);
  const [prefillExpert, prefillRow] = pair(prefill);
  return { times: { decodeLayer, decodeRow, prefillExpert, prefillRow }, decode, prefill };
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
  const waitedMs = (own.tokenMs.median - reference.tokenMs.median) / layers + reference.busyMs.median;
  return Math.max(own.busyMs.median, waitedMs) / here.ms.median;
}

function pair({ curves: [first, second] }: SpeedFit) {
  if (first === undefined || second === undefined) throw new RangeError("nothing was measured");
  return [first, second] as const;
}
