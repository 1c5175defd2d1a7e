import { quantile } from "../core/stats.ts";

/** Enough for a 95 % quantile, few enough to forget a slow start within seconds. */
const SIZE = 128;
const ENOUGH = 20;
/** Quantiles need a sort: take them anew after this many samples only. */
const REFRESH = 16;

/** The latest latencies of one kind of call. */
export class LatencyWindow {
  readonly #samples: number[] = [];
  #next = 0;
  #added = 0;
  #known: { readonly added: number; readonly p95: number; readonly p99: number } | null = null;

  add(ms: number): void {
    this.#samples[this.#next] = ms;
    this.#next = (this.#next + 1) % SIZE;
    this.#added++;
  }

  /** `null` until there are enough samples to judge by. */
  get quantiles(): { readonly p95: number; readonly p99: number } | null {
    if (this.#samples.length < ENOUGH) return null;
    if (this.#known === null || this.#added - this.#known.added >= REFRESH) {
      this.#known = { added: this.#added, p95: quantile(this.#samples, 0.95), p99: quantile(this.#samples, 0.99) };
    }
    return this.#known;
  }
}
