import type { ExpertTimes, MainTimes, SpeedCurve } from "../planner/cost-profile.ts";
import { type ExpertSpeed, expertSpeed, prefillBusyMs } from "../planner/layer-time.ts";
import { timeAt } from "../planner/speed-curve.ts";
import { fitSpeedCurves, type SpeedFit } from "./fit-speed-curves.ts";
import type { Measurements, PrefillPoint } from "./measurements.ts";
import { scaleCurve } from "./scale-curve.ts";

export interface IdentifiedMain {
  readonly times: MainTimes;
  readonly decode: SpeedFit;
  readonly prefill: SpeedFit;
}

type Sources = Pick<Measurements, "shape" | "decodes" | "prefills">;

/**
 * A main function that holds every expert. Its times are split into experts and the rest as they are on one processor,
 * where experts are known from their own function; with more or less of it both change alike.
 */
export function identifyMain(sources: Sources, remote: ExpertTimes): IdentifiedMain {
  const one = expertSpeed(remote, 1);
  const { decodeToken, decodeLayer, decodeRow, fit: decode } = identifyDecode(sources, one);
  const { prefillPrompt, prefillToken, prefillExpert, prefillRow, fit: prefill } = identifyPrefill(sources, one);
  const experts = { decodeLayer, decodeRow, prefillExpert, prefillRow };
  return { times: { decodeToken, prefillPrompt, prefillToken, experts }, decode, prefill };
}

function identifyDecode({ shape: { layers, expertsPerToken: k }, decodes }: Sources, one: ExpertSpeed) {
  const fit = fitSpeedCurves(decodes.map(({ vcpus, tokenMs }) => ({ vcpus, factors: [1], ms: tokenMs.median })));
  const [token] = fit.curves as readonly [SpeedCurve];
  const tokenMs = timeAt(token, 1);
  const expertsMs = layers * (one.decodeLayer + k * one.decodeRow);
  const share = Math.min(1, tokenMs / expertsMs);
  return {
    fit,
    decodeToken: scaleCurve(token, (tokenMs - share * expertsMs) / tokenMs),
    decodeLayer: scaleCurve(token, (share * one.decodeLayer) / tokenMs),
    decodeRow: scaleCurve(token, (share * one.decodeRow) / tokenMs),
  };
}

function identifyPrefill({ shape: { layers, expertsPerToken: k }, prefills }: Sources, one: ExpertSpeed) {
  const whole = new Map(prefills.filter(({ vcpus }) => vcpus === 1).map(({ tokens, ms }) => [tokens, ms.median]));
  const points = prefills.filter(({ tokens }) => whole.has(tokens));
  const wholeMs = ({ tokens }: PrefillPoint): number => whole.get(tokens) as number;
  const expertsMs = ({ tokens, usedExperts }: PrefillPoint): number =>
    layers * prefillBusyMs({ used: usedExperts, rows: tokens * k }, one);
  const share = Math.min(1, ...points.map((point) => wholeMs(point) / expertsMs(point)));
  const rest = points.map((point) => {
    const { vcpus, tokens, ms } = point;
    const restMs = ms.median * (1 - (share * expertsMs(point)) / wholeMs(point));
    return { vcpus, factors: [1, tokens], ms: restMs, scaleMs: ms.median };
  });
  const relative = fitSpeedCurves(
    points.map((point) => ({ vcpus: point.vcpus, factors: [wholeMs(point)], ms: point.ms.median })),
  );
  const fit = fitSpeedCurves(rest);
  const [prefillPrompt, prefillToken] = fit.curves as readonly [SpeedCurve, SpeedCurve];
  const [slowdown] = relative.curves as readonly [SpeedCurve];
  return {
    fit,
    prefillPrompt,
    prefillToken,
    prefillExpert: scaleCurve(slowdown, share * one.prefillExpert),
    prefillRow: scaleCurve(slowdown, share * one.prefillRow),
  };
}
