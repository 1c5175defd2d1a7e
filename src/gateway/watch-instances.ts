import type { Exit, InstanceReport, Platform } from "../platform/platform.ts";

/** The end of an instance. */
export interface InstanceEnd {
  readonly instance: InstanceReport;
  readonly exit: Exit;
  /** How long it had been kept warm since its last lease: time on no request's bill. */
  readonly idleMs: number;
}

/**
 * Tells of every instance that ends. → unsubscribe
 * @param clock monotonic milliseconds
 */
export function watchInstances(platform: Platform, clock: () => number, onEnd: (end: InstanceEnd) => void): () => void {
  const idleSince = new Map<string, number>();
  return platform.onEvent((event) => {
    const { instance, type } = event;
    if (type === "released" && instance.leases === 0) idleSince.set(instance.id, clock());
    // The request that leases it pays for its idle time.
    if (type === "leased") idleSince.delete(instance.id);
    if (type === "exited") {
      const idleMs = clock() - (idleSince.get(instance.id) ?? clock());
      idleSince.delete(instance.id);
      onEnd({ instance, exit: event.exit, idleMs });
    }
  });
}
