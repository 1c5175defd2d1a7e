import { type RemoeError, remoeError } from "../core/errors.ts";

/** A request's place, running or in the queue. */
export interface Place {
  /** Resolves when the request may run; rejects with REQUEST_CANCELLED when its signal aborts before. */
  readonly admitted: Promise<void>;
  /** Gives the place back; every place must be left, and leaving twice is harmless. */
  leave(): void;
}

export interface AdmissionOptions {
  /** Monotonic milliseconds; service times are estimated with it. */
  readonly clock: () => number;
  /** Requests that run at the same time. Defaults to 1: a main function computes one generation at a time. */
  readonly concurrency?: number;
  /** Requests that may wait. Defaults to 64. */
  readonly queueLimit?: number;
}

/** How much the newest service time counts in the running mean. */
const NEWEST_WEIGHT = 0.25;

/** Bounds how many requests run and how many wait, first come first served. */
export class Admission {
  readonly #clock: () => number;
  readonly #concurrency: number;
  readonly #queueLimit: number;
  /** What admits the requests that wait, oldest first. */
  readonly #queue = new Set<() => void>();
  #running = 0;
  #meanServiceMs = 0;
  #onIdle: () => void = () => {};
  #closed: RemoeError | null = null;

  constructor({ clock, concurrency = 1, queueLimit = 64 }: AdmissionOptions) {
    this.#clock = clock;
    this.#concurrency = concurrency;
    this.#queueLimit = queueLimit;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /** Whether no request runs or waits. */
  get isIdle(): boolean {
    return this.#running === 0 && this.#queue.size === 0;
  }

  /** Calls a listener, the only one, each time the last request has left. */
  onIdle(listener: () => void): void {
    this.#onIdle = listener;
  }

  /**
   * Takes a place at once, at the end of the queue if nobody may run yet.
   * @throws OVERLOADED when the queue is full, and what `close` was given
   */
  enter(signal: AbortSignal): Place {
    signal.throwIfAborted();
    if (this.#closed !== null) {
      throw this.#closed;
    }
    if (this.#running < this.#concurrency) {
      return { admitted: Promise.resolve(), leave: once(this.#run()) };
    }
    if (this.#queue.size >= this.#queueLimit) {
      throw remoeError("OVERLOADED", { waiting: this.#queue.size, retryAfterS: this.#retryAfterS() });
    }
    return this.#wait(signal);
  }

  /** Refuses new requests from now on, with this error; those inside keep their places. */
  close(reason: RemoeError): void {
    this.#closed = reason;
  }

  #wait(signal: AbortSignal): Place {
    let release: () => void = () => {};
    const admitted = new Promise<void>((resolve, reject) => {
      const admit = () => {
        signal.removeEventListener("abort", cancel);
        release = this.#run();
        resolve();
      };
      const cancel = () => {
        signal.removeEventListener("abort", cancel);
        this.#queue.delete(admit);
        reject(remoeError("REQUEST_CANCELLED", {}));
      };
      release = cancel;
      this.#queue.add(admit);
      signal.addEventListener("abort", cancel);
    });
    // The request may go away before anybody awaits its turn.
    admitted.catch(() => {});
    return { admitted, leave: once(() => release()) };
  }

  /** Starts to run a request and gives what ends it. */
  #run(): () => void {
    const startedAt = this.#clock();
    this.#running += 1;
    return () => {
      this.#running -= 1;
      this.#observe(this.#clock() - startedAt);
      this.#admitNext();
      if (this.isIdle) this.#onIdle();
    };
  }

  #observe(serviceMs: number): void {
    const weight = this.#meanServiceMs === 0 ? 1 : NEWEST_WEIGHT;
    this.#meanServiceMs += weight * (serviceMs - this.#meanServiceMs);
  }

  #admitNext(): void {
    const [admit] = this.#queue;
    if (admit !== undefined) {
      this.#queue.delete(admit);
      admit();
    }
  }

  /** Until the requests that are inside now should have left. */
  #retryAfterS(): number {
    const inside = this.#running + this.#queue.size;
    return Math.max(1, Math.ceil((this.#meanServiceMs * inside) / this.#concurrency / 1000));
  }
}

function once(action: () => void): () => void {
  let called = false;
  return () => {
    if (!called) {
      called = true;
      action();
    }
  };
}
