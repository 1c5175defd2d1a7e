import { quantile } from "../core/stats.ts";
import type { TimeFactors } from "./time-correction.ts";

/** By how much measured times are above predicted ones, as factors; at least 1. */
export interface Margin {
  readonly ttft: number;
  readonly tpot: number;
}

/** A time as predicted and as it was. */
export interface Outcome {
  readonly predictedMs: number;
  readonly measuredMs: number;
}

/** Share of requests whose times are to stay within the margin. */
const CONFIDENCE = 0.95;
/** Requests remembered; older ones say little about how busy the machine is now. */
const CAPACITY = 200;
/** Fewer have no quantile of this confidence: ⌈(n + 1) 0.95⌉ ≤ n needs 19. */
const LEAST = 19;

/**
 * The factor to multiply predicted times with so that the measured ones stay below in 95 of 100 requests: the
 * split-conformal quantile of measured / predicted over the last requests; while there are too few for it, the greatest
 * of them, and at least the profile's.
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
    const ratios = this.#ratios[objective];
    const n = ratios.length;
    if (n < LEAST) return Math.max(1, this.#initial[objective], ...ratios.map((ratio) => ratio / factor));
    const rank = Math.ceil((n + 1) * CONFIDENCE);
    return Math.max(1, quantile(ratios, (rank - 1) / (n - 1)) / factor);
  }
}
