export interface Range {
  readonly offset: number;
  readonly bytes: number;
}

/** The same bytes in as few ranges as there can be, in order: how they are cut into reads does not matter. */
export function joinRanges(ranges: readonly Range[]): Range[] {
  const joined: { offset: number; bytes: number }[] = [];
  for (const { offset, bytes } of ranges.toSorted((a, b) => a.offset - b.offset)) {
    const last = joined.at(-1);
    if (last !== undefined && last.offset + last.bytes === offset) last.bytes += bytes;
    else joined.push({ offset, bytes });
  }
  return joined;
}
