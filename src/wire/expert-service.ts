import { setImmediate as nextTurn } from "node:timers/promises";
import { isRemoeError, remoeError } from "../core/errors.ts";
import { type DecodedCall, decodeCall } from "./call-codec.ts";
import type { Clock } from "./clock.ts";
import { Expectation } from "./expectation.ts";
import type { ExpertCall, ExpertHandler } from "./expert-call.ts";
import { controlHead, encodeFrame, type Frame, type FrameBytes, type FrameHead } from "./frame.ts";
import { processPoller } from "./poller.ts";
import { encodeErrorFrame, encodeReply } from "./reply-codec.ts";
import { sumRows } from "./sum-rows.ts";
import { validateCall } from "./validate-call.ts";

export interface ServiceOptions {
  readonly endpoint: string;
  readonly checksum: boolean;
  readonly payloadLimit: number;
  readonly clock: Clock;
  /** How long after a reply the function may wait awake for the next call. */
  readonly pollMs: number;
}

/** Gets the frame that answers a call, or `null` if its deadline passed before it was computed. */
export type Settle = (answer: FrameBytes | null) => void;

interface WaitingCall {
  readonly head: FrameHead;
  readonly decoded: DecodedCall;
  readonly expiresAt: number;
  readonly settle: Settle;
}

/** Computes calls one after the other in the order in which they arrive, whichever connection they come from. */
export class ExpertService {
  readonly #handler: ExpertHandler;
  readonly #options: ServiceOptions;
  /** In order of arrival, with the one that is computed in front. */
  readonly #waiting = new Set<WaitingCall>();
  readonly #expectation: Expectation;
  #running: Promise<void> | null = null;
  #draining = false;

  constructor(handler: ExpertHandler, options: ServiceOptions) {
    this.#handler = handler;
    this.#options = options;
    this.#expectation = new Expectation(processPoller, options.pollMs);
  }

  /**
   * Queues the call in `frame`; `settle` is called once, unless the call is cancelled before.
   * @returns cancels it
   * @throws EXPERT_FRAME_INVALID when the frame holds no call
   */
  submit(frame: Frame, settle: Settle): () => void {
    const decoded = decodeCall(frame);
    const { head } = frame;
    const now = this.#options.clock.monotonicMs();
    this.#expectation.arrived(now);
    const waiting = { head, decoded, settle, expiresAt: now + head.timeMs };
    const refusal = this.#refusal(decoded);
    if (refusal !== null) {
      settle(this.#encodeFailure(head, refusal));
      return () => {};
    }
    this.#waiting.add(waiting);
    this.#running ??= Promise.resolve().then(() => this.#run());
    return () => this.#waiting.delete(waiting);
  }

  /** Refuses what comes from now on; resolves when what came before is settled. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#running;
  }

  #refusal(decoded: DecodedCall): unknown {
    const { endpoint, payloadLimit } = this.#options;
    if (this.#draining) return remoeError("EXPERT_CONNECTION_LOST", { endpoint, reason: "it is shutting down" });
    try {
      validateCall(decoded, this.#handler, payloadLimit);
      return null;
    } catch (error) {
      return error;
    }
  }

  async #run(): Promise<void> {
    for (const waiting of this.#waiting) {
      if (this.#options.clock.monotonicMs() > waiting.expiresAt) this.#settle(waiting, null);
      else this.#settle(waiting, await this.#compute(waiting));
      // Cancellations that arrived meanwhile come first.
      if (this.#waiting.size > 0) await nextTurn();
    }
    this.#running = null;
    this.#expectation.answered(this.#options.clock.monotonicMs());
  }

  #settle(waiting: WaitingCall, answer: FrameBytes | null): void {
    if (this.#waiting.delete(waiting)) waiting.settle(answer);
  }

  async #compute({ head, decoded: { call, shape } }: WaitingCall): Promise<FrameBytes> {
    const { clock, checksum } = this.#options;
    const began = clock.monotonicMs();
    try {
      const rows = await this.#computeRows(call);
      const body = encodeReply(call.weights ? sumRows(call, call.weights, rows) : rows, shape);
      const timeMs = clock.monotonicMs() - began;
      const withChecksum = head.checksum || checksum;
      return encodeFrame(
        { ...controlHead("reply", head.id), rowType: shape.rowType, checksum: withChecksum, timeMs },
        body,
      );
    } catch (error) {
      return this.#encodeFailure(head, error);
    }
  }

  async #computeRows(call: ExpertCall): Promise<Float32Array> {
    const length = call.tokens.length * this.#handler.hidden;
    if (length === 0) return new Float32Array(0);
    const rows = await this.#handler.compute(call);
    if (rows.length === length) return rows;
    throw remoeError("FUNCTION_FAILED", { reason: `experts computed ${rows.length} numbers instead of ${length}` });
  }

  #encodeFailure({ id, checksum }: FrameHead, error: unknown): FrameBytes {
    const known = isRemoeError(error) ? error : remoeError("FUNCTION_FAILED", { reason: String(error) }, error);
    return encodeErrorFrame({ id, checksum: checksum || this.#options.checksum }, known);
  }
}
