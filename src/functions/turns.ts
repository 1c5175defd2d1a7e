/** Lets so many have a turn at the same time; the others wait, first come first served. */
export class Turns {
  readonly #atOnce: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Runs a task when it is its turn. @throws what the task throws */
  async run(task: () => Promise<void>): Promise<void> {
    await this.#take();
    try {
      await task();
    } finally {
      this.#pass();
    }
  }

  /** Takes every turn for good: resolves when all that came before have ended. */
  async close(): Promise<void> {
    await Promise.all(Array.from({ length: this.#atOnce }, () => this.#take()));
  }

  async #take(): Promise<void> {
    if (this.#taken < this.#atOnce) this.#taken++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The turn stays taken where somebody waits for it. */
  #pass(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken--;
    else next();
  }
}
