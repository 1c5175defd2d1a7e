import { setTimeout as delay } from "node:timers/promises";
import { authorisation } from "../../functions/authorisation.ts";
import type { ReadyReport } from "../../functions/spec.ts";

export interface FetchOptions {
  readonly secret: string;
  readonly signal: AbortSignal;
}

/** Networks hear of a new address one after the other. */
const PAUSE_MS = 100;
const ANSWER_MS = 5_000;

/**
 * Asks a function at an `http:` or `https:` endpoint how its start went, until it says so.
 * @throws the signal's reason
 */
export async function fetchStartReport(endpoint: string, { secret, signal }: FetchOptions): Promise<ReadyReport> {
  const headers = { authorization: authorisation(secret) };
  for (;;) {
    const impatient = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const response = await fetch(`${endpoint}/start`, { headers, signal: impatient }).catch(() => null);
    if (response?.ok === true) return (await response.json()) as ReadyReport;
    await response?.body?.cancel();
    await delay(PAUSE_MS, undefined, { signal, ref: false });
  }
}
