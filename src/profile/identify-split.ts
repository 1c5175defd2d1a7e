import { BATCH_TOKENS } from "../engine/pass-strategy.ts";
import type { ExpertTimes, MainTimes, SpeedCurve, WireTimes } from "../planner/cost-profile.ts";
import { expertSpeed, NO_LOAD, prefillLayerTime } from "../planner/layer-time.ts";
import { timeAt } from "../planner/speed-curve.ts";
import { fitSpeedCurves, type SpeedFit } from "./fit-speed-curves.ts";
import { NO_CONTENTION } from "./identify-contention.ts";
import type { Measurements, SplitDecodePoint } from "./measurements.ts";
import { nonNegativeLeastSquares } from "./non-negative-least-squares.ts";
import { EXACT } from "./predict-point.ts";

export interface IdentifiedSplit {
  readonly times: MainTimes;
  readonly wire: WireTimes;
  readonly decode: SpeedFit;
  readonly prefill: SpeedFit;
}

/** What is known before. */
export interface KnownTimes {
  readonly remote: ExpertTimes;
  /** τ^f(1) of a main function that has every expert: layer by layer takes no less. */
  readonly unsplit: SpeedCurve;
}

type Sources = Pick<Measurements, "shape" | "transfers" | "splitDecodes" | "splitPrefills" | "payloadHiddenStates">;

/**
 * A main function with experts elsewhere, and the way to them. In decode a token's time is τ^f + Σ_l: in a remote layer the
 * call's busy time and its way, in the others the local experts. Main functions of one processor with all layers remote
 * and with every other one tell τ^f and the way apart.
 */
export function identifySplit(sources: Sources, { remote, unsplit }: KnownTimes): IdentifiedSplit {
  const points = sources.splitDecodes.filter(({ expertVcpus }) => expertVcpus === 1);
  const wire = identifyWire(sources, points, { remote, unsplit });
  const decode = fitSpeedCurves(
    points.map((point) => {
      const { vcpus, remoteLayers } = point;
      const callsMs = layersMs(point, { ...sources, remote }) + remoteLayers * wayMs(wire, sources);
      const knownMs = timeAt(unsplit, vcpus) + callsMs;
      return { vcpus, factors: [1], ms: point.token.ms.median - knownMs, scaleMs: point.token.ms.median };
    }),
  );
  const prefill = fitPrefill(sources, remote, wire);
  const [more] = decode.curves as readonly [SpeedCurve];
  const decodeToken = { ...more, ms: more.ms.map((ms, i) => ms + timeAt(unsplit, more.vcpus[i] as number)) };
  const [prefillPrompt, prefillToken] = prefill.curves as readonly [SpeedCurve, SpeedCurve];
  const experts = localTimes(remote);
  return { times: { decodeToken, prefillPrompt, prefillToken, experts }, wire, decode, prefill };
}

function identifyWire(
  { shape, transfers, payloadHiddenStates }: Sources,
  points: readonly SplitDecodePoint[],
  { remote, unsplit }: KnownTimes,
): WireTimes {
  const [bareCallMs, perHiddenStateMs] = nonNegativeLeastSquares(
    transfers.map(({ hiddenStates, ms }) => [1 / ms.median, hiddenStates / ms.median]),
    transfers.map(() => 1),
  ) as readonly [number, number];
  const bareWayMs = bareCallMs + (1 + shape.expertsPerToken) * perHiddenStateMs;
  const one = points.filter(({ vcpus }) => vcpus === 1);
  // A call within a token takes no less than one in a row of calls.
  const [, moreMs] = nonNegativeLeastSquares(
    one.map(({ remoteLayers }) => [1, remoteLayers]),
    one.map((point) => {
      const knownMs = timeAt(unsplit, 1) + layersMs(point, { shape, remote }) + point.remoteLayers * bareWayMs;
      return point.token.ms.median - knownMs;
    }),
  ) as readonly [number, number];
  const callMs = bareCallMs + moreMs;
  return { callMs, perHiddenStateMs, batchTokens: BATCH_TOKENS, payloadHiddenStates };
}

/** Of a decode call: one hidden state there, k back. */
function wayMs({ callMs, perHiddenStateMs }: WireTimes, { shape }: Pick<Sources, "shape">): number {
  return callMs + (1 + shape.expertsPerToken) * perHiddenStateMs;
}

interface LayerSources extends Pick<Sources, "shape"> {
  readonly remote: ExpertTimes;
}

/** Σ_l of the expert functions' and the local experts' time for a token. */
function layersMs({ vcpus, remoteLayers, busyMs }: SplitDecodePoint, { shape, remote }: LayerSources): number {
  const { decodeLayer, decodeRow } = expertSpeed(localTimes(remote), vcpus);
  const localMs = decodeLayer + shape.expertsPerToken * decodeRow;
  return remoteLayers * busyMs.median + (shape.layers - remoteLayers) * localMs;
}

/** What the plan's layers add in prefill is taken off what was measured; the rest is prompt + n · token. */
function fitPrefill({ shape, splitPrefills }: Sources, remote: ExpertTimes, wire: WireTimes): SpeedFit {
  const speed = expertSpeed(remote, 1);
  const hardware = { local: speed, remote: speed, wire, contention: NO_CONTENTION, rounding: EXACT };
  return fitSpeedCurves(
    splitPrefills.map(({ vcpus, tokens, usedExperts, time: { ms } }) => {
      const load = { used: usedExperts, rows: tokens * shape.expertsPerToken };
      const layer = prefillLayerTime({ promptTokens: tokens, local: NO_LOAD, remote: [load] }, hardware);
      return { vcpus, factors: [1, tokens], ms: ms.median - shape.layers * layer.ms, scaleMs: ms.median };
    }),
  );
}

/**
 * Experts in the main function: the same kernels on as many threads. With less than a processor it is slowed down like
 * all it does, while an expert function has times when it waits.
 */
function localTimes({ decodeLayer, decodeRow, prefillExpert, prefillRow }: ExpertTimes): ExpertTimes {
  return {
    decodeLayer: fromOne(decodeLayer),
    decodeRow: fromOne(decodeRow),
    prefillExpert: fromOne(prefillExpert),
    prefillRow: fromOne(prefillRow),
  };
}

/** Samples of at least one processor: below the first a curve is inversely proportional. */
function fromOne({ vcpus, ms }: SpeedCurve): SpeedCurve {
  const first = vcpus.indexOf(1);
  return { vcpus: vcpus.slice(first), ms: ms.slice(first) };
}
