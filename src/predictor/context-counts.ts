/**
 * A row of counters for each of many contexts, in bounded memory: 2 bytes a counter. When all rows are taken, the next
 * new context gets one that was not touched since the clock's hand last passed it (the CLOCK policy: nearly the least
 * recently used, without keeping an order).
 */
export class ContextCounts {
  readonly #width: number;
  readonly #capacity: number;
  readonly #rows = new Map<number, number>();
  /** Of each row. */
  readonly #keys: number[] = [];
  readonly #touched: boolean[] = [];
  #counts = new Uint16Array(0);
  #hand = 0;

  /** @param capacity rows at most */
  constructor(width: number, capacity: number) {
    this.#width = width;
    this.#capacity = capacity;
  }

  /** Number of contexts. */
  get size(): number {
    return this.#keys.length;
  }

  /** A context's counters, undefined for an unknown context: a view that is valid until the next `claim`. [width] */
  find(key: number): Uint16Array | undefined {
    const row = this.#rows.get(key);
    return row === undefined ? undefined : this.#view(row);
  }

  /** A context's counters to add to; zeros for a new context. A view that is valid until the next `claim`. [width] */
  claim(key: number): Uint16Array {
    const row = this.#rows.get(key) ?? this.#assign(key);
    this.#touched[row] = true;
    return this.#view(row);
  }

  #assign(key: number): number {
    const row = this.size < this.#capacity ? this.#append() : this.#evict();
    this.#rows.set(key, row);
    this.#keys[row] = key;
    return row;
  }

  #append(): number {
    const length = (this.size + 1) * this.#width;
    if (length > this.#counts.length) {
      const grown = new Uint16Array(Math.min(this.#capacity * this.#width, 2 * length));
      grown.set(this.#counts);
      this.#counts = grown;
    }
    return this.size;
  }

  #evict(): number {
    while (this.#touched[this.#hand] === true) {
      this.#touched[this.#hand] = false;
      this.#advance();
    }
    const row = this.#hand;
    this.#advance();
    this.#rows.delete(this.#keys[row] as number);
    this.#view(row).fill(0);
    return row;
  }

  #advance(): void {
    this.#hand = (this.#hand + 1) % this.#capacity;
  }

  #view(row: number): Uint16Array {
    return this.#counts.subarray(row * this.#width, (row + 1) * this.#width);
  }
}
