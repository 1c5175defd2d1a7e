import type { ExpertTimes, MainTimes, SpeedCurve } from "../planner/cost-profile.ts";
import { type ExpertSpeed, expertSpeed } from "../planner/layer-time.ts";
import { scaleCurve, timeAt } from "../planner/speed-curve.ts";
import { fitSpeedCurves, type SpeedFit } from "./fit-speed-curves.ts";
import type { Measurements, PrefillPoint } from "./measurements.ts";
import { slowdownOf } from "./slowdown.ts";

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
  const fit = fitSpeedCurves(decodes.map(({ vcpus, token }) => ({ vcpus, factors: [1], ms: token.ms.median })));
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

/** What an expert costs beside its rows is found here: in its own function it includes a call. */
function identifyPrefill({ shape: { layers, expertsPerToken: k }, prefills }: Sources, one: ExpertSpeed) {
  const alone = prefills.filter(({ vcpus }) => vcpus === 1);
  const rowsMs = ({ tokens }: PrefillPoint): number => layers * tokens * k * one.prefillRow;
  const share = Math.min(1, ...alone.map((point) => point.time.ms.median / rowsMs(point)));
  const fit = fitSpeedCurves(
    alone.map((point) => {
      const { vcpus, tokens, usedExperts, time } = point;
      const { ms } = time;
      const restMs = ms.median - share * rowsMs(point);
      return { vcpus, factors: [1, tokens, layers * usedExperts], ms: restMs, scaleMs: ms.median };
    }),
  );
  const [prompt, token, expert] = fit.curves.map((curve) => timeAt(curve, 1)) as [number, number, number];
  const slowdown = slowdownOf(prefills.map(({ vcpus, tokens, time }) => ({ vcpus, kind: tokens, ms: time.ms.median })));
  return {
    fit,
    prefillPrompt: scaleCurve(slowdown, prompt),
    prefillToken: scaleCurve(slowdown, token),
    prefillExpert: scaleCurve(slowdown, expert),
    prefillRow: scaleCurve(slowdown, share * one.prefillRow),
  };
}
