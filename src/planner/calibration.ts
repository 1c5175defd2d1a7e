import type { CostProfile, Margin } from "./cost-profile.ts";
import type { Evaluation } from "./evaluation.ts";
import type { ByKind, PlanKind } from "./plan-kind.ts";
import { SloMargin } from "./slo-margin.ts";
import { correctTimes, RecentMedian, TimeCorrection, type TimeFactors } from "./time-correction.ts";

/** What predictions are made with. */
export interface Calibrated {
  /** Corrected by `factors`, and with what the gateway takes. */
  readonly profile: CostProfile;
  readonly factors: ByKind<TimeFactors>;
  readonly margin: ByKind<Margin>;
}

/** Times of a request that waited for no start, in milliseconds; `null` where there were none. */
export interface ServedTimes {
  readonly predicted: Pick<Evaluation, "prefillMs" | "tpotMs">;
  /** What the profile was corrected by for the prediction. */
  readonly factors: TimeFactors;
  /** Its prediction and planning. */
  readonly delayMs: number;
  /** In the function. */
  readonly prefillMs: number;
  /** Both as the client sees them, waiting in queues left out. */
  readonly ttftMs: number | null;
  readonly tpotMs: number | null;
}

class KindRecord {
  readonly correction = new TimeCorrection();
  readonly margin = new SloMargin();
}

const AS_PROFILED: TimeFactors = { prefill: 1, decode: 1 };

/**
 * Fits a profile to the requests that are served: what the gateway takes, and each kind of plan by itself. Split plans that
 * were not served yet are taken to be as far off as unsplit ones, since what slows down a main function slows down theirs;
 * calls tell nothing of unsplit ones, which are as the profile says until they are served. Margins begin with the
 * profile's spread.
 */
export class Calibration {
  readonly #profile: CostProfile;
  readonly #records: ByKind<KindRecord> = { unsplit: new KindRecord(), split: new KindRecord() };
  readonly #gatewayMs = new RecentMedian();

  constructor(profile: CostProfile) {
    this.#profile = profile;
  }

  get current(): Calibrated {
    const { unsplit, split } = this.#records;
    const { spread, overhead } = this.#profile;
    const gatewayMs = this.#gatewayMs.value ?? overhead.gatewayMs;
    const ownFactors = unsplit.correction.factorsOr(AS_PROFILED);
    const factors = { unsplit: ownFactors, split: split.correction.factorsOr(ownFactors) };
    const margin = unsplit.margin.over({ ...factors.unsplit, gatewayMs }, spread.unsplit);
    return {
      profile: { ...correctTimes(this.#profile, factors), overhead: { ...overhead, gatewayMs } },
      factors,
      margin: {
        unsplit: margin,
        split: split.margin.over({ ...factors.split, gatewayMs }, greater(margin, spread.split)),
      },
    };
  }

  observe(kind: PlanKind, { predicted, factors, delayMs, prefillMs, ttftMs, tpotMs }: ServedTimes): void {
    const { correction, margin } = this.#records[kind];
    const prefill = { predictedMs: predicted.prefillMs / factors.prefill, measuredMs: prefillMs };
    correction.observe("prefill", prefill);
    if (ttftMs !== null) {
      this.#gatewayMs.add(Math.max(0, ttftMs - prefillMs - delayMs));
      margin.observeFirstToken({ ...prefill, delayMs, measuredMs: ttftMs });
    }
    if (tpotMs !== null) {
      const token = { predictedMs: predicted.tpotMs / factors.decode, measuredMs: tpotMs };
      correction.observe("decode", token);
      margin.observeToken(token);
    }
  }
}

function greater(one: Margin, other: Margin): Margin {
  return { ttft: Math.max(one.ttft, other.ttft), tpot: Math.max(one.tpot, other.tpot) };
}
