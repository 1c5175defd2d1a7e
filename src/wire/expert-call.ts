/** Work for the experts of one layer that live in one function. Its arrays must not change until the call has settled. */
export interface ExpertCall {
  readonly layer: number;
  /** How rows are computed, which decides their rounding: one by one, or grouped by expert. */
  readonly kernel: "decode" | "prefill";
  /** Hidden states of the tokens that the rows name: [hidden, tokens] */
  readonly inputs: Float32Array;
  /** Row i sends token `tokens[i]` (index into the inputs) to expert `experts[i]`. */
  readonly tokens: Int32Array;
  readonly experts: Int32Array;
  /** Pre-summed rows: the gate's weight of each row; the reply is Σ weight · row by token. `null`: a reply row each. */
  readonly weights: Float32Array | null;
}

export interface ExpertReply {
  /** [hidden, rows], or [hidden, tokens] when pre-summed. */
  readonly rows: Float32Array;
  /** How long the function was busy with the call, as it measured itself: what a platform bills. */
  readonly busyMs: number;
}

export interface CallOptions {
  /** From now; the function drops a call that still waits when it has passed. */
  readonly deadlineMs: number;
  /** Aborting rejects the call with the signal's reason and tells the function to drop it. */
  readonly signal?: AbortSignal;
}

/** A way to one instance of an expert function. */
export interface ExpertConnection {
  /** Most bytes of a request or reply that fit through. */
  readonly payloadLimit: number;
  /**
   * Connects when there is no connection. When there is one, the request leaves before this returns.
   * @throws EXPERT_CALL_TIMEOUT, EXPERT_CONNECTION_LOST, EXPERT_PEER_REJECTED, EXPERT_FRAME_INVALID,
   *   EXPERT_PAYLOAD_TOO_LARGE, the signal's reason, or the function's own error
   */
  call(call: ExpertCall, options: CallOptions): Promise<ExpertReply>;
  close(): void;
}

/** What an expert function computes with; the wire checks a call against it before it gets there. */
export interface ExpertHandler {
  /** Identifies the weights: main and expert functions must agree. */
  readonly fingerprint: string;
  readonly hidden: number;
  readonly expertsPerToken: number;
  /** Most tokens of one call. */
  readonly maxTokens: number;
  holds(layer: number, expert: number): boolean;
  /**
   * Called with at least one row; calls never overlap.
   * @returns [hidden, rows], no longer touched by the handler: it is sent from where it lies
   */
  compute(call: ExpertCall): Promise<Float32Array>;
}
