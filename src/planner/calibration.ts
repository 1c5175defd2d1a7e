import type { CostProfile, Margin } from "./cost-profile.ts";
import type { Evaluation } from "./evaluation.ts";
import type { ByKind, PlanKind } from "./plan-kind.ts";
import { SloMargin } from "./slo-margin.ts";
import { correctTimes, TimeCorrection, type TimeFactors } from "./time-correction.ts";

/** What predictions are made with. */
export interface Calibrated {
  /** Corrected by `factors`. */
  readonly profile: CostProfile;
  readonly factors: ByKind<TimeFactors>;
  readonly margin: ByKind<Margin>;
}

/** Times of a request that waited for no start, in milliseconds; `null` where there were none. */
export interface ServedTimes {
  readonly predicted: Pick<Evaluation, "prefillMs" | "ttftMs" | "coldStartMs" | "tpotMs">;
  /** What the profile was corrected by for the prediction. */
  readonly factors: TimeFactors;
  /** In the function. */
  readonly prefillMs: number;
  /** Both as the client sees them, waiting in queues left out. */
  readonly ttftMs: number | null;
  readonly tpotMs: number | null;
}

class KindRecord {
  readonly correction = new TimeCorrection();
  readonly margin: SloMargin;

  constructor(initial: Margin) {
    this.margin = new SloMargin(initial);
  }
}

/**
 * Fits a profile to the requests that are served, each kind of plan by itself. A kind that was not served yet is taken
 * to be as the profile says, with the profile's spread as its margin.
 */
export class Calibration {
  readonly #profile: CostProfile;
  readonly #records: ByKind<KindRecord>;

  constructor(profile: CostProfile) {
    this.#profile = profile;
    this.#records = { unsplit: new KindRecord(profile.spread.unsplit), split: new KindRecord(profile.spread.split) };
  }

  get current(): Calibrated {
    const { unsplit, split } = this.#records;
    const factors = { unsplit: unsplit.correction.factors, split: split.correction.factors };
    return {
      profile: correctTimes(this.#profile, factors),
      factors,
      margin: { unsplit: unsplit.margin.over(factors.unsplit), split: split.margin.over(factors.split) },
    };
  }

  observe(kind: PlanKind, { predicted, factors, prefillMs, ttftMs, tpotMs }: ServedTimes): void {
    const { correction, margin } = this.#records[kind];
    correction.observe("prefill", { predictedMs: predicted.prefillMs / factors.prefill, measuredMs: prefillMs });
    if (ttftMs !== null) {
      const warmMs = predicted.ttftMs - predicted.coldStartMs;
      margin.observe("ttft", { predictedMs: warmMs / factors.prefill, measuredMs: ttftMs });
    }
    if (tpotMs !== null) {
      const token = { predictedMs: predicted.tpotMs / factors.decode, measuredMs: tpotMs };
      correction.observe("decode", token);
      margin.observe("tpot", token);
    }
  }
}
