import { randomBytes } from "node:crypto";
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isRemoeError } from "../core/errors.ts";
import { encodeCall } from "./call-codec.ts";
import type { ResolvedConnectOptions } from "./connect-options.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import type { ExpertReply } from "./expert-call.ts";
import { encodeFrame, type Frame, type FrameBytes, sumLengths } from "./frame.ts";
import {
  AUTH_HEADER,
  CALL_METHOD,
  CALL_PATH,
  formatModel,
  hashBody,
  MODEL_HEADER,
  signRequest,
  verifyReply,
} from "./http-auth.ts";
import { connectionLost, peerRejected } from "./peer-errors.ts";
import { type OutgoingCall, PendingCall } from "./pending-call.ts";
import { readHttpFrame } from "./read-http-frame.ts";
import { decodeAnswer } from "./reply-codec.ts";
import type { Transport } from "./transport.ts";

/** Calls as HTTP requests, one each, over connections that are kept. */
export function createHttpTransport(endpoint: Endpoint, options: ResolvedConnectOptions): Transport {
  const name = formatEndpoint(endpoint);
  const secure = endpoint.type === "https";
  const agent = secure ? new HttpsAgent({ keepAlive: true, ...options.tls }) : new HttpAgent({ keepAlive: true });
  const startRequest = secure ? httpsRequest : httpRequest;
  const target = "path" in endpoint ? { socketPath: endpoint.path } : { host: endpoint.host, port: endpoint.port };
  const base: RequestOptions = { ...target, agent, method: CALL_METHOD, path: CALL_PATH };
  const flying = new Set<PendingCall>();

  function send(outgoing: OutgoingCall): Promise<ExpertReply> {
    const pending: PendingCall = new PendingCall(outgoing, {
      endpoint: name,
      pollMs: options.pollMs,
      giveUp: () => request.destroy(),
      settled: () => flying.delete(pending),
    });
    flying.add(pending);
    const fail = (error: unknown): void => {
      pending.reject(isRemoeError(error) ? error : connectionLost(name, error));
      request.destroy();
    };
    const nonce = randomBytes(16).toString("hex");
    const frame = encodeRequest(pending, options);
    const headers = requestHeaders(frame, nonce, options);
    const request = startRequest({ ...base, headers }, (response) => {
      readReply(response, { endpoint: name, nonce, options })
        .then((answer) => pending.answer(decodeAnswer(answer, outgoing.shape, options.checksum)))
        .catch(fail);
    });
    request.setNoDelay(true);
    request.on("error", fail);
    for (const part of frame) request.write(part);
    request.end();
    return pending.promise;
  }

  function close(): void {
    for (const pending of flying) pending.reject(connectionLost(name, "it was closed on this side"));
    agent.destroy();
  }

  return { send, close };
}

function encodeRequest(
  { outgoing: { call, shape }, remainingMs }: PendingCall,
  { checksum }: ResolvedConnectOptions,
): FrameBytes {
  const head = { type: "call", id: 0, rowType: shape.rowType, checksum, timeMs: remainingMs } as const;
  return encodeFrame(head, encodeCall(call, shape));
}

function requestHeaders(
  frame: FrameBytes,
  nonce: string,
  options: ResolvedConnectOptions,
): Record<string, string | number> {
  const model = formatModel(options);
  const claims = { sentAt: Date.now(), nonce, bodyHash: hashBody(frame) };
  return {
    "content-type": "application/octet-stream",
    "content-length": sumLengths(frame),
    [MODEL_HEADER]: model,
    [AUTH_HEADER]: signRequest(options.secret, claims, model),
  };
}

interface ReplyContext {
  readonly endpoint: string;
  readonly nonce: string;
  readonly options: ResolvedConnectOptions;
}

/** → the frame in the reply, which is known to come from a function that knows the secret */
async function readReply(response: IncomingMessage, { endpoint, nonce, options }: ReplyContext): Promise<Frame> {
  const { statusCode = 0, headers } = response;
  if (statusCode === 401) throw peerRejected(endpoint, "it refused the secret, or its clock differs");
  if (statusCode !== 200) throw connectionLost(endpoint, `it answered with HTTP status ${statusCode}`);
  const { frame, bodyHash } = await readHttpFrame(response, options.payloadLimit);
  if (verifyReply(options.secret, String(headers[AUTH_HEADER]), { nonce, bodyHash })) return frame;
  throw peerRejected(endpoint, "it does not know the secret");
}
