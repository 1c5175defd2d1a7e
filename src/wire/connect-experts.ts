import { shapeOf } from "./call-codec.ts";
import { type ConnectOptions, resolveConnectOptions } from "./connect-options.ts";
import { isHttp, parseEndpoint } from "./endpoint.ts";
import type { CallOptions, ExpertCall, ExpertConnection, ExpertReply } from "./expert-call.ts";
import { createHttpTransport } from "./http-transport.ts";
import { createSocketTransport } from "./socket-transport.ts";
import { splitCall } from "./split-call.ts";

/**
 * A way to the function that serves experts at `endpoint`. It connects at the first call, and again at the next call
 * after the connection broke. Calls may overlap; what is in flight keeps the process alive, the connection alone does
 * not. A call's arrays must stay unchanged until it has settled.
 * @throws ENDPOINT_INVALID
 */
export function connectExperts(endpoint: string, options: ConnectOptions): ExpertConnection {
  const target = parseEndpoint(endpoint);
  const resolved = resolveConnectOptions(options, target);
  const { hidden, rowType, payloadLimit } = resolved;
  const transport = isHttp(target) ? createHttpTransport(target, resolved) : createSocketTransport(target, resolved);

  const send = (call: ExpertCall, callOptions: CallOptions): Promise<ExpertReply> =>
    transport.send({ call, shape: shapeOf(call, hidden, rowType), options: callOptions });

  async function call(whole: ExpertCall, callOptions: CallOptions): Promise<ExpertReply> {
    callOptions.signal?.throwIfAborted();
    const parts = splitCall(whole, { maxBytes: payloadLimit, hidden, rowType });
    return parts.length === 1 ? send(whole, callOptions) : sendParts(parts, callOptions);
  }

  /** Pipelined; when one fails the others are cancelled. */
  async function sendParts(parts: readonly ExpertCall[], { deadlineMs, signal }: CallOptions): Promise<ExpertReply> {
    const failed = new AbortController();
    const partOptions = { deadlineMs, signal: signal ? AbortSignal.any([signal, failed.signal]) : failed.signal };
    try {
      return joinReplies(await Promise.all(parts.map((part) => send(part, partOptions))));
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  }

  return { payloadLimit, call, close: transport.close };
}

function joinReplies(replies: readonly ExpertReply[]): ExpertReply {
  const rows = new Float32Array(replies.reduce((length, reply) => length + reply.rows.length, 0));
  let offset = 0;
  for (const reply of replies) {
    rows.set(reply.rows, offset);
    offset += reply.rows.length;
  }
  return { rows, busyMs: replies.reduce((sum, reply) => sum + reply.busyMs, 0) };
}
