import type { Poller } from "./poller.ts";

/**
 * The other side's polling: a function whose calls come in quick succession, as the layers of a decoded token do, waits
 * awake for the next one. One whose calls come seldom sleeps.
 */
export class Expectation {
  readonly #poller: Poller;
  readonly #pollMs: number;
  #answeredAt: number | null = null;
  #gapMs = Number.POSITIVE_INFINITY;
  #waits = false;

  constructor(poller: Poller, pollMs: number) {
    this.#poller = poller;
    this.#pollMs = pollMs;
  }

  /** A call came in, at `now` milliseconds. */
  arrived(now: number): void {
    if (this.#answeredAt !== null) this.#gapMs = now - this.#answeredAt;
    this.#answeredAt = null;
    if (!this.#waits) return;
    this.#waits = false;
    this.#poller.leave();
  }

  /** All calls are answered. */
  answered(now: number): void {
    this.#answeredAt = now;
    if (this.#waits || this.#gapMs > this.#pollMs) return;
    this.#waits = true;
    this.#poller.enter(this.#pollMs);
  }
}
