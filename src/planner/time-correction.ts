import { median } from "../core/stats.ts";
import type { CostProfile, ExpertTimes, MainTimes } from "./cost-profile.ts";
import type { ByKind } from "./plan-kind.ts";
import { scaleCurve } from "./speed-curve.ts";

/** What a profile's times have to be multiplied with to be those of requests. */
export interface TimeFactors {
  readonly prefill: number;
  readonly decode: number;
}

/** A time as predicted and as it was. */
export interface Outcome {
  readonly predictedMs: number;
  readonly measuredMs: number;
}

/** Requests remembered: enough for a steady median, few enough to follow how busy the machine is. */
const CAPACITY = 64;
/** Fewer say more about themselves than about the next request. */
const LEAST = 3;

/**
 * Learns how far a profile is off on the requests that are served: other prompts, another neighbourhood and tracing make
 * times longer than when it was measured. The factor is the median of measured / predicted over the last requests.
 */
export class TimeCorrection {
  readonly #ratios = { prefill: new RecentMedian(), decode: new RecentMedian() };

  /** `initial` for phases of which too little is known. */
  factorsOr(initial: TimeFactors): TimeFactors {
    const { prefill, decode } = this.#ratios;
    return { prefill: prefill.value ?? initial.prefill, decode: decode.value ?? initial.decode };
  }

  /** `predictedMs` as the profile says, not corrected. */
  observe(phase: keyof TimeFactors, { predictedMs, measuredMs }: Outcome): void {
    if (predictedMs <= 0 || measuredMs <= 0) return;
    this.#ratios[phase].add(measuredMs / predictedMs);
  }
}

/** The median of the last values. */
export class RecentMedian {
  readonly #values: number[] = [];

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > CAPACITY) this.#values.shift();
  }

  /** `null` while there are too few. */
  get value(): number | null {
    return this.#values.length < LEAST ? null : median(this.#values);
  }
}

/**
 * The profile with everything that functions do taking so much longer, or shorter, in plans of each kind; calls and
 * starts stay as they are.
 */
export function correctTimes(profile: CostProfile, { unsplit, split }: ByKind<TimeFactors>): CostProfile {
  const whole = (times: MainTimes | null): MainTimes | null => times && correctMain(times, unsplit);
  return {
    ...profile,
    cpu: correctMain(profile.cpu, unsplit),
    mix: whole(profile.mix),
    gpu: whole(profile.gpu),
    split: correctMain(profile.split, split),
    remote: correctExperts(profile.remote, split),
  };
}

function correctMain(times: MainTimes, factors: TimeFactors): MainTimes {
  return {
    decodeToken: scaleCurve(times.decodeToken, factors.decode),
    prefillPrompt: scaleCurve(times.prefillPrompt, factors.prefill),
    prefillToken: scaleCurve(times.prefillToken, factors.prefill),
    experts: correctExperts(times.experts, factors),
  };
}

/** Experts that take so many times as long. */
export function correctExperts(times: ExpertTimes, { prefill, decode }: TimeFactors): ExpertTimes {
  return {
    decodeLayer: scaleCurve(times.decodeLayer, decode),
    decodeRow: scaleCurve(times.decodeRow, decode),
    prefillExpert: scaleCurve(times.prefillExpert, prefill),
    prefillRow: scaleCurve(times.prefillRow, prefill),
  };
}
