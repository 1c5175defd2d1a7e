/**
 * Keeps the process from sleeping while it waits for a reply that is due any moment: a sleeping process takes tens of
 * microseconds to wake, as long as a short call itself. One loop serves all connections of the process; between two
 * of its turns the event loop looks for input without waiting.
 */
export class Poller {
  readonly #now: () => number;
  readonly #schedule: (turn: () => void) => void;
  #waiting = 0;
  #until = 0;
  #running = false;

  /**
   * @param now milliseconds, never going back
   * @param schedule runs a function in the next turn of the event loop
   */
  constructor(now: () => number, schedule: (turn: () => void) => void) {
    this.#now = now;
    this.#schedule = schedule;
  }

  /** A wait begins; polling goes on for at most `pollMs`. To be followed by one `leave`. */
  enter(pollMs: number): void {
    this.#waiting++;
    this.#until = Math.max(this.#until, this.#now() + pollMs);
    if (this.#running || pollMs <= 0) return;
    this.#running = true;
    this.#schedule(this.#turn);
  }

  /** A wait has ended. */
  leave(): void {
    this.#waiting--;
  }

  readonly #turn = (): void => {
    if (this.#waiting > 0 && this.#now() < this.#until) this.#schedule(this.#turn);
    else this.#running = false;
  };
}

export const processPoller: Poller = new Poller(
  () => performance.now(),
  (turn) => setImmediate(turn),
);
