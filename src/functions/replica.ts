import { isRemoeError, remoeError } from "../core/errors.ts";
import type { Meter } from "../ledger/meter.ts";
import { CircuitBreaker } from "../wire/circuit-breaker.ts";
import type { ExpertCall, ExpertConnection, ExpertReply } from "../wire/expert-call.ts";
import { Patience } from "../wire/patience.ts";

/** Two, so that one broken connection to a function that is well is made anew before the function is given up. */
const FAILURES_TO_OPEN = 2;
const COOLDOWN_MS = 1_000;
const MAX_COOLDOWN_MS = 30_000;

export interface AttemptOptions {
  readonly signal: AbortSignal;
  /** Of the request this call belongs to. */
  readonly meter: Meter;
}

/** One instance of an expert function, with what was learnt about it. Outlives requests. */
export class Replica {
  readonly instanceId: string;
  readonly #connection: ExpertConnection;
  readonly #clock: () => number;
  readonly #patience = new Patience();
  readonly #breaker: CircuitBreaker;

  constructor(instanceId: string, connection: ExpertConnection, clock: () => number) {
    this.instanceId = instanceId;
    this.#connection = connection;
    this.#clock = clock;
    this.#breaker = new CircuitBreaker({
      threshold: FAILURES_TO_OPEN,
      cooldownMs: COOLDOWN_MS,
      maxCooldownMs: MAX_COOLDOWN_MS,
      clock,
    });
  }

  /** False while calls to it are known to fail. */
  get isTrusted(): boolean {
    return this.#breaker.isClosed;
  }

  /** True if a call may go now; then {@link attempt} must follow at once. */
  tryEnter(): boolean {
    return this.#breaker.tryEnter();
  }

  hedgeMs({ kernel, experts }: ExpertCall): number {
    return this.#patience.hedgeMs(kernel, experts.length);
  }

  /**
   * One call. The request leaves before this returns, if there is a connection.
   * @throws what {@link ExpertConnection.call} throws, or the signal's reason
   */
  async attempt(call: ExpertCall, { signal, meter }: AttemptOptions): Promise<ExpertReply> {
    const { kernel, experts } = call;
    const started = this.#clock();
    const deadlineMs = this.#patience.deadlineMs(kernel, experts.length);
    try {
      const reply = await this.#connection.call(call, { deadlineMs, signal });
      meter.add(reply.busyMs);
      this.#patience.answered(kernel, experts.length, this.#clock() - started);
      this.#breaker.succeeded();
      return reply;
    } catch (error) {
      // Nobody tells what a call cost that has no answer: at most the time until it was given up.
      meter.add(this.#clock() - started);
      if (signal.aborted) this.#breaker.left();
      else this.#breaker.failed(!isBrokenConnection(error));
      throw error;
    }
  }

  close(): void {
    this.#connection.close();
  }
}

function isBrokenConnection(error: unknown): boolean {
  return isRemoeError(error) && error.code === "EXPERT_CONNECTION_LOST";
}

interface Hedging {
  readonly first: Replica;
  /** Asked when the first is slow; its breaker was entered. */
  readonly second: () => Replica | undefined;
  readonly onHedge: () => void;
}

/** Sends a call to one replica, and to a second one when the first is slow. The first answer counts. */
export async function hedge(call: ExpertCall, replicas: Hedging, options: AttemptOptions): Promise<ExpertReply> {
  const leaving = new AbortController();
  const leave = (): void => leaving.abort(options.signal.reason ?? remoeError("REQUEST_CANCELLED", {}));
  options.signal.addEventListener("abort", leave, { once: true });
  const attempt = (replica: Replica): Promise<ExpertReply> =>
    replica.attempt(call, { ...options, signal: leaving.signal });
  try {
    const early = attempt(replicas.first);
    if (await isAnsweredWithin(early, replicas.first.hedgeMs(call))) return await early;
    const other = replicas.second();
    if (other === undefined) return await early;
    replicas.onHedge();
    return await firstAnswer([early, attempt(other)]);
  } finally {
    options.signal.removeEventListener("abort", leave);
    leave();
  }
}

/** False if the time passes first. A failure is an answer too. */
async function isAnsweredWithin(answer: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const slow = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const answered = answer.then(
    () => true,
    () => true,
  );
  return Promise.race([answered, slow]).finally(() => clearTimeout(timer));
}

/** Of several attempts the first that succeeds; the first's error when all fail. */
async function firstAnswer(attempts: readonly Promise<ExpertReply>[]): Promise<ExpertReply> {
  try {
    return await Promise.any(attempts);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}
