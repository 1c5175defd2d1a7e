/** Splits time among those who use something: each moment goes in equal shares to all who are there. */
export class SharedTime {
  readonly #clock: () => number;
  #users = 0;
  /** When the number of users last changed. */
  #since = 0;
  /** What somebody who was there from the start would have by then. */
  #share = 0;

  /** @param clock monotonic milliseconds */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Begins to use it. → ends that and gives this user's share, in milliseconds; again and again the same */
  enter(): () => number {
    this.#advance();
    this.#users++;
    const before = this.#share;
    let own: number | null = null;
    return () => {
      own ??= this.#leave() - before;
      return own;
    };
  }

  #leave(): number {
    this.#advance();
    this.#users--;
    return this.#share;
  }

  #advance(): void {
    const now = this.#clock();
    if (this.#users > 0) this.#share += (now - this.#since) / this.#users;
    this.#since = now;
  }
}
