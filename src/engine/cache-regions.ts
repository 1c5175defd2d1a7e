/** Consecutive rows of the cache that are one sequence's. */
export interface CacheRegion {
  readonly first: number;
  readonly rows: number;
}

/**
 * Gives rows of a cache to sequences: each a region of its own, as low as there is room, because attention looks at
 * everything up to the last row in use.
 */
export class CacheRegions {
  readonly #rows: number;
  /** By their first row. */
  #taken: readonly CacheRegion[] = [];

  constructor(rows: number) {
    this.#rows = rows;
  }

  /** One behind the last row in use. */
  get end(): number {
    const last = this.#taken.at(-1);
    return last === undefined ? 0 : last.first + last.rows;
  }

  /** → `null` while there is no room of this size in one piece */
  take(rows: number): CacheRegion | null {
    let first = 0;
    for (const taken of this.#taken) {
      if (taken.first - first >= rows) break;
      first = taken.first + taken.rows;
    }
    if (this.#rows - first < rows) return null;
    const region = { first, rows };
    this.#taken = [...this.#taken, region].toSorted((a, b) => a.first - b.first);
    return region;
  }

  give(region: CacheRegion): void {
    this.#taken = this.#taken.filter((taken) => taken !== region);
  }
}
