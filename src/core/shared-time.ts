/** Somebody's use of something that others may use at the same time. */
export interface Stay {
  /** This user's share of the time so far, in milliseconds; after the end of the stay it does not change. */
  readonly ms: number;
  /** Ends it; again does nothing. */
  leave(): void;
}

/** Splits time among those who use something: each moment goes in equal shares to all who are there. */
export class SharedTime {
  readonly #clock: () => number;
  #users = 0;
  /** When the number of users last changed. */
  #since: number;
  /** What somebody who was there from the start would have by then. */
  #share = 0;
  #isOver = false;

  /** @param clock monotonic milliseconds */
  constructor(clock: () => number) {
    this.#clock = clock;
    this.#since = clock();
  }

  /** Begins to use it. */
  enter(): Stay {
    this.#advance();
    this.#users++;
    const before = this.#share;
    const soFar = (): number => {
      this.#advance();
      return this.#share - before;
    };
    let own: number | null = null;
    return {
      get ms() {
        return own ?? soFar();
      },
      leave: () => {
        if (own !== null) return;
        own = soFar();
        this.#users--;
      },
    };
  }

  /** It is gone: from now on nobody's share grows, also of those who have not left. */
  end(): void {
    this.#advance();
    this.#isOver = true;
  }

  #advance(): void {
    const now = this.#clock();
    if (this.#users > 0 && !this.#isOver) this.#share += (now - this.#since) / this.#users;
    this.#since = now;
  }
}
