/** Time as the wire sees it; tests bring their own. */
export interface Clock {
  /** Milliseconds that never go back, for deadlines and durations. */
  monotonicMs(): number;
  /** Milliseconds since 1970, for what two machines compare. */
  unixMs(): number;
}

export const systemClock: Clock = { monotonicMs: () => performance.now(), unixMs: () => Date.now() };
