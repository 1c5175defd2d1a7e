import type { HistoryIdentity } from "../history/identity.ts";
import type { HistoryReading } from "../history/read-history.ts";
import type { HistoryDamage } from "../history/scan-history.ts";

export interface HistorySummary {
  readonly identity: HistoryIdentity;
  readonly records: number;
  /** Of prompts; 0 for records that keep none. */
  readonly promptTokens: number;
  /** Milliseconds since 1970 of the first and the last record; null without any. */
  readonly firstTime: number | null;
  readonly lastTime: number | null;
  /** Records of each domain that is named. */
  readonly domains: Readonly<Record<string, number>>;
  readonly damage: HistoryDamage;
}

/** Goes through a history. @throws HISTORY_UNREADABLE, HISTORY_INVALID */
export async function summariseHistory(history: HistoryReading): Promise<HistorySummary> {
  const domains = new Map<string, number>();
  let [records, promptTokens] = [0, 0];
  let firstTime: number | null = null;
  let lastTime: number | null = null;
  for await (const { tokens, time, domain } of history) {
    records++;
    promptTokens += tokens.length;
    firstTime ??= time;
    lastTime = time;
    if (domain !== null) domains.set(domain, (domains.get(domain) ?? 0) + 1);
  }
  const { identity, damage } = history;
  return { identity, records, promptTokens, firstTime, lastTime, domains: Object.fromEntries(domains), damage };
}
