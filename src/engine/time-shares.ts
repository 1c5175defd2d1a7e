/**
 * Shares the time of an instance among the sequences it serves, so that what is billed to each sums to the time in which
 * there was any: computing time belongs to the sequences that are computed, in equal parts; time in which nothing is
 * computed (a client reads slowly, the next tokens are chosen) to all that are there.
 */
export class TimeShares {
  /** Monotonic milliseconds. */
  readonly #clock: () => number;
  readonly #shares = new Map<number, number>();
  /** Those that are computed; empty between computations. */
  #computed: readonly number[] = [];
  #since = 0;
  #next = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** A sequence begins. → its number */
  enter(): number {
    this.#settle();
    const id = this.#next++;
    this.#shares.set(id, 0);
    return id;
  }

  /** A sequence ends. → its share in milliseconds */
  leave(id: number): number {
    this.#settle();
    const share = this.#shares.get(id) ?? 0;
    this.#shares.delete(id);
    return share;
  }

  /** A sequence's share so far, in milliseconds. */
  of(id: number): number {
    this.#settle();
    return this.#shares.get(id) ?? 0;
  }

  /** Computes something for some of the sequences. */
  async compute<T>(ids: readonly number[], work: () => Promise<T>): Promise<T> {
    this.#settle();
    this.#computed = ids;
    try {
      return await work();
    } finally {
      this.#settle();
      this.#computed = [];
    }
  }

  /** Gives out the time since the last change. A sequence that left while it was computed has no part in the rest. */
  #settle(): void {
    const now = this.#clock();
    const elapsed = now - this.#since;
    this.#since = now;
    const computed = this.#computed.filter((id) => this.#shares.has(id));
    const payers = computed.length > 0 ? computed : [...this.#shares.keys()];
    for (const id of payers) this.#shares.set(id, (this.#shares.get(id) ?? 0) + elapsed / payers.length);
  }
}
