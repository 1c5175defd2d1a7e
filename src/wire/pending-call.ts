import { remoeError } from "../core/errors.ts";
import type { CallShape } from "./call-codec.ts";
import type { CallOptions, ExpertCall, ExpertReply } from "./expert-call.ts";
import { MAX_TIME_MS } from "./frame.ts";
import { processPoller } from "./poller.ts";

/** A call on its way. */
export interface OutgoingCall {
  readonly call: ExpertCall;
  readonly shape: CallShape;
  readonly options: CallOptions;
}

export interface PendingHooks {
  readonly endpoint: string;
  readonly pollMs: number;
  /** Called once, before the promise rejects, when nobody waits for the reply any more. */
  giveUp(reason: "timeout" | "aborted"): void;
  /** Called once, however the call ended. */
  settled(): void;
}

/** A call that waits for its reply, for at most its deadline; settles once and leaves no timer or listener behind. */
export class PendingCall {
  readonly outgoing: OutgoingCall;
  readonly promise: Promise<ExpertReply>;
  readonly #hooks: PendingHooks;
  readonly #expiresAt: number;
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort = (): void => this.#giveUp("aborted", this.outgoing.options.signal?.reason);
  #resolve: (reply: ExpertReply) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #settled = false;

  constructor(outgoing: OutgoingCall, hooks: PendingHooks) {
    this.outgoing = outgoing;
    this.#hooks = hooks;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { signal } = outgoing.options;
    const deadlineMs = Math.min(Math.max(outgoing.options.deadlineMs, 0), MAX_TIME_MS);
    this.#expiresAt = performance.now() + deadlineMs;
    this.#timer = setTimeout(() => this.#giveUp("timeout", this.#timeout()), deadlineMs);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    // A batch takes longer than polling lasts, and the other side needs the processor.
    processPoller.enter(outgoing.call.kernel === "decode" ? hooks.pollMs : 0);
  }

  /** Until the deadline. */
  get remainingMs(): number {
    return Math.max(0, this.#expiresAt - performance.now());
  }

  answer(answer: ExpertReply | Error): void {
    if (answer instanceof Error) this.reject(answer);
    else if (this.#settle()) this.#resolve(answer);
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  #giveUp(reason: "timeout" | "aborted", error: unknown): void {
    this.reject(error);
    this.#hooks.giveUp(reason);
  }

  /** → whether it had not settled before */
  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.outgoing.options.signal?.removeEventListener("abort", this.#onAbort);
    processPoller.leave();
    this.#hooks.settled();
    return true;
  }

  #timeout(): Error {
    const { endpoint } = this.#hooks;
    return remoeError("EXPERT_CALL_TIMEOUT", { endpoint, deadlineMs: this.outgoing.options.deadlineMs });
  }
}
