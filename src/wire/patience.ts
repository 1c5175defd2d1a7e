import { LatencyWindow } from "./latency-window.ts";

type Kernel = "decode" | "prefill";

interface Limits {
  /** Before there are samples. */
  readonly initialMs: number;
  readonly leastMs: number;
}

/** A call this many times slower than the slowest in a hundred hangs. */
const HANGS = 20;
const DEADLINES: Readonly<Record<Kernel, Limits>> = {
  decode: { initialMs: 10_000, leastMs: 2_000 },
  prefill: { initialMs: 60_000, leastMs: 10_000 },
};
/** A call this many times slower than the slowest in twenty may be overtaken by another replica. */
const SLOW = 2;
const HEDGES: Readonly<Record<Kernel, Limits>> = {
  decode: { initialMs: 250, leastMs: 5 },
  prefill: { initialMs: 5_000, leastMs: 50 },
};

/**
 * How long to wait for an expert function, learnt from its answers. Decode is timed by call, for its calls are alike;
 * prefill by row.
 */
export class Patience {
  readonly #windows: Readonly<Record<Kernel, LatencyWindow>> = {
    decode: new LatencyWindow(),
    prefill: new LatencyWindow(),
  };

  answered(kernel: Kernel, rows: number, ms: number): void {
    this.#windows[kernel].add(ms / unitsOf(kernel, rows));
  }

  /** Milliseconds after which a call has failed. */
  deadlineMs(kernel: Kernel, rows: number): number {
    return stretch(DEADLINES[kernel], this.#expected(kernel, rows, "p99"), HANGS);
  }

  /** Milliseconds after which asking another replica as well pays. */
  hedgeMs(kernel: Kernel, rows: number): number {
    return stretch(HEDGES[kernel], this.#expected(kernel, rows, "p95"), SLOW);
  }

  #expected(kernel: Kernel, rows: number, share: "p95" | "p99"): number | null {
    const quantiles = this.#windows[kernel].quantiles;
    return quantiles === null ? null : quantiles[share] * unitsOf(kernel, rows);
  }
}

function unitsOf(kernel: Kernel, rows: number): number {
  return kernel === "decode" ? 1 : rows;
}

function stretch({ initialMs, leastMs }: Limits, expectedMs: number | null, factor: number): number {
  return expectedMs === null ? initialMs : Math.max(leastMs, factor * expectedMs);
}
