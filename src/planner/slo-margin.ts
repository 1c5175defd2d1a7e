import type { Margin } from "./cost-profile.ts";
import type { TimeFactors } from "./time-correction.ts";

/** A time as predicted and as it was. */
export interface Outcome {
  readonly predictedMs: number;
  readonly measuredMs: number;
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
  readonly #initial: Margin;
  readonly #ratios = { ttft: [] as number[], tpot: [] as number[] };

  constructor(initial: Margin) {
    this.#initial = initial;
  }

  /**
   * Over predictions that are corrected by these factors: all past requests are judged by what is known of the profile
   * now, so that what they taught it does not count as uncertainty.
   */
  over({ prefill, decode }: TimeFactors): Margin {
    return { ttft: this.#margin("ttft", prefill), tpot: this.#margin("tpot", decode) };
  }

  /** `predictedMs` as the profile says, not corrected. */
  observe(objective: keyof Margin, { predictedMs, measuredMs }: Outcome): void {
    if (predictedMs <= 0) return;
    const ratios = this.#ratios[objective];
    ratios.push(measuredMs / predictedMs);
    if (ratios.length > CAPACITY) ratios.shift();
  }

  #margin(objective: keyof Margin, factor: number): number {
    const observed = this.#ratios[objective].map((ratio) => ratio / factor);
    const missing = Math.max(0, LEAST - observed.length);
    const profiled = Array<number>(Math.ceil(missing / TOLERATED)).fill(this.#initial[objective]);
    const above = Math.floor((observed.length + missing + 1) / TOLERATED) - 1;
    return Math.max(1, [...observed, ...profiled].sort((a, b) => b - a)[above] ?? 1);
  }
}
