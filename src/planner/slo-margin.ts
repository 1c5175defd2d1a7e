import type { Margin } from "./cost-profile.ts";
import type { Outcome, TimeFactors } from "./time-correction.ts";

/** A time to the first token, with what comes before the function's part of it. */
export interface FirstToken extends Outcome {
  /** Of this request in the gateway: its prediction and planning. */
  readonly delayMs: number;
}

/** What predictions are corrected with. */
export interface Corrections extends TimeFactors {
  /** What every request takes in the gateway and between it and the function. */
  readonly gatewayMs: number;
}

/** One request in so many may take longer than the margin allows for: 95 % do not. */
const TOLERATED = 20;
/** Requests remembered; older ones say little about how busy the machine is now. */
const CAPACITY = 200;
/** The fewest that have a quantile of this confidence that is not their greatest: ⌈(n + 1) 0.95⌉ < n. */
const LEAST = 2 * TOLERATED - 1;

/**
 * The factor to multiply predicted times with so that the measured ones stay below in 95 of 100 requests: the
 * split-conformal quantile of measured / predicted over the last requests. While there are too few for it, those of the
 * profile take the place of the others: one in twenty at its margin. So a single request that something disturbed decides
 * nothing, at no time.
 */
export class SloMargin {
  readonly #firstTokens: FirstToken[] = [];
  readonly #tokens: Outcome[] = [];

  /**
   * Over predictions that are corrected by these: all past requests are judged by what is known of the profile now, so
   * that what they taught it does not count as uncertainty.
   * @param initial the margin of a profile that no request was held against yet
   */
  over({ prefill, decode, gatewayMs }: Corrections, initial: Margin): Margin {
    const ttft = this.#firstTokens.map(
      ({ predictedMs, delayMs, measuredMs }) => measuredMs / (predictedMs * prefill + delayMs + gatewayMs),
    );
    const tpot = this.#tokens.map(({ predictedMs, measuredMs }) => measuredMs / (predictedMs * decode));
    return { ttft: marginOf(ttft, initial.ttft), tpot: marginOf(tpot, initial.tpot) };
  }

  /** `predictedMs` of its prefill as the profile says, not corrected. */
  observeFirstToken(outcome: FirstToken): void {
    remember(this.#firstTokens, outcome);
  }

  /** `predictedMs` as the profile says, not corrected. */
  observeToken(outcome: Outcome): void {
    remember(this.#tokens, outcome);
  }
}

function remember<O extends Outcome>(outcomes: O[], outcome: O): void {
  if (outcome.predictedMs <= 0) return;
  outcomes.push(outcome);
  if (outcomes.length > CAPACITY) outcomes.shift();
}

function marginOf(observed: readonly number[], initial: number): number {
  const missing = Math.max(0, LEAST - observed.length);
  const profiled = Array<number>(Math.ceil(missing / TOLERATED)).fill(initial);
  const above = Math.floor((observed.length + missing + 1) / TOLERATED) - 1;
  return Math.max(1, [...observed, ...profiled].sort((a, b) => b - a)[above] ?? 1);
}
