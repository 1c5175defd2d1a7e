import { SharedTime } from "../core/shared-time.ts";
import { connectMain } from "../functions/main-client.ts";
import type { MainFunction } from "../functions/protocol.ts";
import type { Lease } from "../platform/platform.ts";

/** How long a lost connection waits to learn how the process ended. */
const EXIT_GRACE_MS = 500;

/** A main function as all requests see it that use it. */
export interface ConnectedMain extends MainFunction {
  /** Of those requests, for the bill of one that the function cannot make. */
  readonly time: SharedTime;
}

/**
 * Clients of main functions, one for each instance, kept as long as it lives.
 * @param clock monotonic milliseconds
 */
export function connectMains(secret: string, clock: () => number): (lease: Lease) => ConnectedMain {
  const clients = new Map<string, ConnectedMain>();
  return ({ instanceId, endpoint, exited }) => {
    const known = clients.get(instanceId);
    if (known !== undefined) return known;
    const exit = exited.then(({ description }) => description);
    const whyLost = (): Promise<string> => Promise.race([exit, later(EXIT_GRACE_MS, "the connection broke")]);
    const client = connectMain(endpoint, { secret, whyLost });
    const connected = { ...client, time: new SharedTime(clock) };
    clients.set(instanceId, connected);
    void exit.then(() => {
      clients.delete(instanceId);
      client.close();
    });
    return connected;
  };
}

function later<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(resolve, ms, value).unref());
}
