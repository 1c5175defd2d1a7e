/** How a platform turns measured time into billed time. */
export interface Rounding {
  /** Billed time is a multiple of this; a whole number of microseconds, at least one. */
  readonly granularityMs: number;
  /** Least billed for one invocation. */
  readonly minimumMs: number;
}

/** What a meter has counted. */
export interface MeterTotals {
  readonly invocations: number;
  /** Measured time. */
  readonly busyMs: number;
  /** The same, every invocation rounded up. */
  readonly billedMs: number;
}

/** Counts the invocations of one function during one request. */
export class Meter {
  readonly #rounding: Rounding;
  #totals: MeterTotals = { invocations: 0, busyMs: 0, billedMs: 0 };

  constructor(rounding: Rounding) {
    this.#rounding = rounding;
  }

  /** One invocation that took `busyMs`. Each is rounded on its own, as platforms do. */
  add(busyMs: number): void {
    const { invocations, busyMs: measured, billedMs } = this.#totals;
    this.#totals = {
      invocations: invocations + 1,
      busyMs: measured + busyMs,
      billedMs: billedMs + roundUp(busyMs, this.#rounding),
    };
  }

  get totals(): MeterTotals {
    return this.#totals;
  }
}

/**
 * Billed milliseconds of one invocation.
 *
 * Counted in whole microseconds, finer than any platform bills: 3 ms that floating point calls 3.0000000000000004 ms
 * must not become 4 ms.
 */
export function roundUp(ms: number, { granularityMs, minimumMs }: Rounding): number {
  const granularity = toMicroseconds(granularityMs);
  const atLeast = Math.max(toMicroseconds(ms), toMicroseconds(minimumMs));
  return (Math.ceil(atLeast / granularity) * granularity) / 1000;
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000);
}
