/** How large a history may become. Between two compactions a file is up to a quarter larger. */
export interface HistoryLimits {
  readonly maxRecords: number;
  readonly maxBytes: number;
}

/** A record in the file, as far as eviction needs it. */
export interface HistoryEntry {
  readonly offset: number;
  readonly bytes: number;
  /** Equal for near-duplicates. */
  readonly promptKey: string;
}

/** Room to append before the file is written anew, so that a record is copied four times on average, however many come. */
const SLACK = 1.25;

export function needsCompaction(records: number, fileBytes: number, limits: HistoryLimits): boolean {
  return records > SLACK * limits.maxRecords || fileBytes > SLACK * limits.maxBytes;
}

/**
 * → the entries that stay, in their order. Those leave first of whose prompt there is a newer record, then the others;
 * the oldest first in both. The newest record always stays.
 * @param entries oldest first
 * @param headerBytes what the file has besides records
 */
export function retainEntries(
  entries: readonly HistoryEntry[],
  headerBytes: number,
  limits: HistoryLimits,
): readonly HistoryEntry[] {
  let records = entries.length;
  let bytes = entries.reduce((sum, entry) => sum + entry.bytes, headerBytes);
  const evicted = new Set<HistoryEntry>();
  for (const entry of evictionOrder(entries).slice(0, -1)) {
    if (records <= limits.maxRecords && bytes <= limits.maxBytes) break;
    evicted.add(entry);
    records--;
    bytes -= entry.bytes;
  }
  return entries.filter((entry) => !evicted.has(entry));
}

function evictionOrder(entries: readonly HistoryEntry[]): readonly HistoryEntry[] {
  const newest = new Set(new Map(entries.map((entry) => [entry.promptKey, entry])).values());
  return [...entries.filter((entry) => !newest.has(entry)), ...entries.filter((entry) => newest.has(entry))];
}
