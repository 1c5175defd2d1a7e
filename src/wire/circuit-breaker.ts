export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly threshold: number;
  /** How long it stays open at first; doubles with every failed trial, up to the maximum. */
  readonly cooldownMs: number;
  readonly maxCooldownMs: number;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
}

/**
 * Keeps callers from waiting for something that keeps failing. Closed: calls go through. Open: none do. After the
 * cooldown one trial goes through; its end closes the breaker or opens it again.
 */
export class CircuitBreaker {
  readonly #options: BreakerOptions;
  #failures = 0;
  #openUntil: number | null = null;
  #trials = 0;
  #onTrial = false;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#openUntil === null;
  }

  /** True if a call may go now; when it may, its end must be told by `succeeded`, `failed` or `left`. */
  tryEnter(): boolean {
    if (this.#openUntil === null) return true;
    if (this.#onTrial || this.#options.clock() < this.#openUntil) return false;
    this.#onTrial = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openUntil = null;
    this.#trials = 0;
    this.#onTrial = false;
  }

  /** A call was given up for reasons of the caller: nothing was learnt. */
  left(): void {
    this.#onTrial = false;
  }

  /** @param isCertain opens it at once, whatever the threshold */
  failed(isCertain = false): void {
    this.#failures++;
    const failedTrial = this.#onTrial;
    this.#onTrial = false;
    if (!failedTrial && !isCertain && this.#failures < this.#options.threshold) return;
    const { cooldownMs, maxCooldownMs, clock } = this.#options;
    this.#openUntil = clock() + Math.min(maxCooldownMs, cooldownMs * 2 ** this.#trials);
    this.#trials++;
  }
}
