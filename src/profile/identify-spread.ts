import { quantile } from "../core/stats.ts";
import type { CostProfile, Margin } from "../planner/cost-profile.ts";
import { NO_LOAD } from "../planner/layer-time.ts";
import type { ByKind } from "../planner/plan-kind.ts";
import { mixedPrefill, mixedToken } from "./identify-contention.ts";
import type { DecodePoint, MeasuredShape, Measurements, PrefillPoint, TimePoint } from "./measurements.ts";
import { predictPrefill, predictToken } from "./predict-point.ts";

const SPREAD_QUANTILE = 0.95;

type Times = Pick<CostProfile, "cpu" | "split" | "remote" | "wire" | "contention">;

/** How far measured requests are above what the profile says of them: the noise of times and the error of the fit. */
export function identifySpread(times: Times, measured: Measurements): ByKind<Margin> {
  const { shape, mixed, decodes, prefills, splitDecodes, splitPrefills } = measured;
  const mixedRatios = {
    ttft: mixed.prefills.flatMap((point) => ratios(point.time, mixedPrefill(times, point, shape))),
    tpot: ratios(mixed.decode, mixedToken(times, mixed, shape)),
  };
  return {
    unsplit: {
      ttft: spreadOf(prefills.flatMap((point) => ratios(point.time, unsplitPrefill(times, point, shape)))),
      tpot: spreadOf(decodes.flatMap((point) => ratios(point.token, unsplitToken(times, point, shape)))),
    },
    split: {
      ttft: spreadOf([
        ...splitPrefills.flatMap((point) => ratios(point.time, remotePrefill(times, point, shape))),
        ...mixedRatios.ttft,
      ]),
      tpot: spreadOf([
        ...splitDecodes.flatMap((point) => ratios(point.token, splitToken(times, point, shape))),
        ...mixedRatios.tpot,
      ]),
    },
  };
}

function unsplitToken(times: Times, { vcpus }: DecodePoint, { layers, expertsPerToken }: MeasuredShape): number {
  const shares = Array.from({ length: layers }, () => allAt(0, expertsPerToken));
  return predictToken(times, { main: times.cpu, vcpus, expertVcpus: vcpus }, shares);
}

function unsplitPrefill(times: Times, { vcpus, ...point }: PrefillPoint, shape: MeasuredShape): number {
  const load = { layers: shape.layers, tokens: point.tokens, local: loadOf(point, shape), remote: NO_LOAD };
  return predictPrefill(times, { main: times.cpu, vcpus, expertVcpus: vcpus }, load);
}

type SplitPoint = Measurements["splitDecodes"][number];

function splitToken(
  times: Times,
  { vcpus, expertVcpus, remoteLayers }: SplitPoint,
  { layers, expertsPerToken: k }: MeasuredShape,
): number {
  const shares = Array.from({ length: layers }, (_, layer) => allAt(layer < remoteLayers ? k : 0, k));
  return predictToken(times, { main: times.split, vcpus, expertVcpus }, shares);
}

function remotePrefill(times: Times, { vcpus, ...point }: PrefillPoint, shape: MeasuredShape): number {
  const load = { layers: shape.layers, tokens: point.tokens, local: NO_LOAD, remote: loadOf(point, shape) };
  return predictPrefill(times, { main: times.split, vcpus, expertVcpus: 1 }, load);
}

function loadOf({ tokens, usedExperts }: Omit<PrefillPoint, "vcpus">, { expertsPerToken }: MeasuredShape) {
  return { rows: tokens * expertsPerToken, used: usedExperts };
}

/** Certainly j of k rows. [k + 1] */
function allAt(j: number, k: number): Float64Array {
  const shares = new Float64Array(k + 1);
  shares[j] = 1;
  return shares;
}

function ratios({ ms, deviations }: TimePoint, predictedMs: number): number[] {
  return deviations.map((deviation) => (deviation * ms.median) / predictedMs);
}

function spreadOf(measuredOverPredicted: readonly number[]): number {
  return Math.max(1, quantile(measuredOverPredicted, SPREAD_QUANTILE));
}
