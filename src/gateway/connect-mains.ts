import { connectMain, type MainClient } from "../functions/main-client.ts";
import type { MainFunction } from "../functions/protocol.ts";
import type { Lease } from "../platform/platform.ts";

/** How long a lost connection waits to learn how the process ended. */
const EXIT_GRACE_MS = 500;

/** Clients of main functions, one for each instance, kept as long as it lives. */
export function connectMains(secret: string): (lease: Lease) => MainFunction {
  const clients = new Map<string, MainClient>();
  return ({ instanceId, endpoint, exited }) => {
    const known = clients.get(instanceId);
    if (known !== undefined) return known;
    const exit = exited.then(({ description }) => description);
    const whyLost = (): Promise<string> => Promise.race([exit, later(EXIT_GRACE_MS, "the connection broke")]);
    const client = connectMain(endpoint, { secret, whyLost });
    clients.set(instanceId, client);
    void exit.then(() => {
      clients.delete(instanceId);
      client.close();
    });
    return client;
  };
}

function later<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(resolve, ms, value).unref());
}
