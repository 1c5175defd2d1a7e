import { type RemoeError, remoeError } from "../../core/errors.ts";
import type { CallOptions, ExpertCall, ExpertConnection, ExpertReply } from "../../wire/expert-call.ts";

/** What a call meets: an answer, a failure, or silence until it is given up. */
export type Meeting = "answer" | "silence" | RemoeError;

export interface ScriptedConnection extends ExpertConnection {
  readonly calls: readonly ExpertCall[];
  /** Calls that were given up. */
  readonly cancelled: number;
  /** From the next call on. */
  meet(meeting: Meeting): void;
}

/** Of every call, whoever answers. */
export const BUSY_MS = 3;

/** What expert `expert` makes of a hidden state, in these tests. */
export function outputOf(layer: number, expert: number, input: number): number {
  return input * (expert + 1) + layer;
}

export const connectionLost = (): RemoeError =>
  remoeError("EXPERT_CONNECTION_LOST", { endpoint: "unix:/test", reason: "reset" });

export const timedOut = (): RemoeError => remoeError("EXPERT_CALL_TIMEOUT", { endpoint: "unix:/test", deadlineMs: 1 });

/** A connection whose other end plays a script. */
export function createScriptedConnection(hidden: number): ScriptedConnection {
  const calls: ExpertCall[] = [];
  let meeting: Meeting = "answer";
  let cancelled = 0;
  return {
    payloadLimit: Number.POSITIVE_INFINITY,
    calls,
    get cancelled() {
      return cancelled;
    },
    meet(next) {
      meeting = next;
    },
    async call(call: ExpertCall, { signal }: CallOptions): Promise<ExpertReply> {
      calls.push(call);
      if (meeting === "answer") return { rows: compute(call, hidden), busyMs: BUSY_MS };
      if (meeting !== "silence") throw meeting;
      return new Promise((_, reject) => {
        signal?.addEventListener("abort", () => {
          cancelled++;
          reject(signal.reason);
        });
      });
    },
    close() {},
  };
}

function compute({ layer, inputs, tokens, experts, weights }: ExpertCall, hidden: number): Float32Array {
  const rows = new Float32Array((weights === null ? experts.length : inputs.length / hidden) * hidden);
  for (const [row, expert] of experts.entries()) {
    const token = tokens[row] as number;
    for (let i = 0; i < hidden; i++) {
      const output = outputOf(layer, expert, inputs[token * hidden + i] as number);
      if (weights === null) rows[row * hidden + i] = output;
      else rows[token * hidden + i] = (rows[token * hidden + i] as number) + output * (weights[row] as number);
    }
  }
  return rows;
}
