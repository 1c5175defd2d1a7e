import type { Schedule } from "../instance-pool.ts";

/** A clock with timers that moves when a test says so. */
export interface ManualTime {
  readonly clock: () => number;
  readonly schedule: Schedule;
  advance(ms: number): void;
}

export function createManualTime(): ManualTime {
  const timers = new Set<{ readonly at: number; readonly action: () => void }>();
  let now = 0;
  return {
    clock: () => now,
    schedule(ms, action) {
      const timer = { at: now + ms, action };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      now += ms;
      for (const timer of [...timers].filter(({ at }) => at <= now)) {
        timers.delete(timer);
        timer.action();
      }
    },
  };
}
