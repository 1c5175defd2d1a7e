/** Rows of work for experts: row i sends token `tokens[i]` to expert `experts[i]`; its output belongs at `slots[i]`. */
export interface RoutedRows {
  readonly count: number;
  /** Index of the token in the batch. */
  readonly tokens: Int32Array;
  readonly experts: Int32Array;
  /** Row of the output: token · k + rank of the expert among the token's choices. */
  readonly slots: Int32Array;
}

/**
 * Orders the gate's choices by expert, rows of one expert side by side and in token order.
 * `chosen`: [k, tokens], the k choices of a token side by side; `keep` says which experts to take.
 */
export function routeRows(chosen: Int32Array, k: number, keep: (expert: number) => boolean): RoutedRows {
  const starts = startOfRuns(chosen, keep);
  const count = starts.at(-1) ?? 0;
  const rows = { count, tokens: new Int32Array(count), experts: new Int32Array(count), slots: new Int32Array(count) };
  for (let slot = 0; slot < chosen.length; slot++) {
    const expert = chosen[slot] as number;
    if (!keep(expert)) continue;
    const row = starts[expert] as number;
    starts[expert] = row + 1;
    rows.tokens[row] = Math.floor(slot / k);
    rows.experts[row] = expert;
    rows.slots[row] = slot;
  }
  return rows;
}

/** The rows whose expert `keep` takes, in the same order. */
export function filterRows({ tokens, experts, slots }: RoutedRows, keep: (expert: number) => boolean): RoutedRows {
  const kept = (list: Int32Array): Int32Array => list.filter((_, row) => keep(experts[row] as number));
  const own = kept(experts);
  return { count: own.length, tokens: kept(tokens), experts: own, slots: kept(slots) };
}

/** First row of every kept expert in a sort by counting, and the number of rows last. */
function startOfRuns(chosen: Int32Array, keep: (expert: number) => boolean): number[] {
  const counts: number[] = [];
  for (const expert of chosen) {
    while (counts.length <= expert) counts.push(0);
    if (keep(expert)) counts[expert] = (counts[expert] as number) + 1;
  }
  let row = 0;
  const starts = counts.map((count) => {
    row += count;
    return row - count;
  });
  return [...starts, row];
}

/** A run of rows that go to the same expert. */
export interface ExpertGroup {
  readonly expert: number;
  /** First row, in the order of {@link RoutedRows}. */
  readonly first: number;
  readonly count: number;
}

/** The runs of one expert each, cut where they exceed `maxRows`. */
export function groupByExpert({ count, experts }: RoutedRows, maxRows: number): ExpertGroup[] {
  const groups: ExpertGroup[] = [];
  for (let first = 0; first < count; ) {
    const expert = experts[first] as number;
    let end = first + 1;
    while (end < count && experts[end] === expert && end - first < maxRows) end++;
    groups.push({ expert, first, count: end - first });
    first = end;
  }
  return groups;
}

/** Splits groups into `bins` of about equal rows: longest first, each onto the least loaded bin (LPT). */
export function balanceGroups<Group extends ExpertGroup>(groups: readonly Group[], bins: number): Group[][] {
  const loads = Array.from({ length: Math.min(bins, groups.length) }, () => ({ rows: 0, groups: [] as Group[] }));
  const byLength = groups.toSorted((a, b) => b.count - a.count || a.first - b.first);
  for (const group of byLength) {
    const least = loads.reduce((best, load) => (load.rows < best.rows ? load : best));
    least.rows += group.count;
    least.groups.push(group);
  }
  return loads.map((load) => load.groups);
}
