import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { remoeError } from "../core/errors.ts";
import type { Endpoint } from "./endpoint.ts";
import { type Frame, type FrameBytes, invalidFrame, sumLengths } from "./frame.ts";
import {
  AUTH_HEADER,
  CALL_METHOD,
  CALL_PATH,
  formatModel,
  hashBody,
  MAX_SKEW_MS,
  MODEL_HEADER,
  type RequestClaims,
  signReply,
  verifyRequest,
} from "./http-auth.ts";
import { NonceMemory } from "./nonce-memory.ts";
import { readHttpFrame } from "./read-http-frame.ts";
import { encodeErrorFrame } from "./reply-codec.ts";
import type { ServerContext, WireServer } from "./wire-server.ts";

/** Most requests in twice the allowed skew: 4,000 a second, in some 40 MB. */
const MAX_NONCES = 1 << 18;

interface HttpContext extends ServerContext {
  readonly nonces: NonceMemory;
  /** Whether new requests are welcome. */
  isListening(): boolean;
}

/** Serves calls as HTTP requests; `GET /readyz` says without authentication that it serves. */
export function createHttpServer(endpoint: Endpoint, context: ServerContext): WireServer {
  const { tls, handshakeTimeoutMs } = context;
  const whole = { ...context, nonces: new NonceMemory(MAX_NONCES), isListening: () => server.listening };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response, whole).catch(() => response.destroy());
  };
  const limits = {
    headersTimeout: handshakeTimeoutMs,
    connectionsCheckingInterval: handshakeTimeoutMs,
    // Closing an idle connection could meet a request on its way.
    keepAliveTimeout: 0,
    noDelay: true,
  };
  const server =
    endpoint.type === "https" ? createHttpsServer({ ...limits, ...tls }, listener) : createServer(limits, listener);
  return { server, endAll: () => server.closeIdleConnections(), destroyAll: () => server.closeAllConnections() };
}

async function handle(request: IncomingMessage, response: ServerResponse, context: HttpContext): Promise<void> {
  response.on("error", () => {});
  if (request.method === "GET" && request.url === "/readyz") return refuse(response, 200);
  const route = context.routes[`${request.method} ${request.url}`];
  if (route !== undefined) return route(request, response);
  if (request.method !== CALL_METHOD || request.url !== CALL_PATH) return refuse(response, 404);
  const claims = authenticate(request, context);
  if (claims === null) return refuse(response, 401);
  if (Number(request.headers["content-length"]) > context.payloadLimit) return refuse(response, 413);
  const frame = await readCall(request, claims, context.payloadLimit);
  const answer =
    refuseModel(frame, request.headers[MODEL_HEADER], context) ?? (await compute(frame, response, context));
  if (answer === null) return void response.destroy();
  response.shouldKeepAlive = context.isListening();
  send(response, answer, signReply(context.secret, claims.nonce, hashBody(answer)));
}

/** An answer of a status alone; the connection is not kept, so that strangers hold none. */
function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { "content-length": 0, connection: "close" }).end();
}

function authenticate({ headers }: IncomingMessage, { secret, clock, nonces }: HttpContext): RequestClaims | null {
  const claims = verifyRequest(secret, String(headers[AUTH_HEADER]), String(headers[MODEL_HEADER]));
  const now = clock.unixMs();
  if (claims === null || Math.abs(now - claims.sentAt) > MAX_SKEW_MS) return null;
  return nonces.admit(claims.nonce, claims.sentAt + MAX_SKEW_MS, now) ? claims : null;
}

/** @throws EXPERT_FRAME_INVALID */
async function readCall(request: IncomingMessage, claims: RequestClaims, payloadLimit: number): Promise<Frame> {
  const { frame, bodyHash } = await readHttpFrame(request, payloadLimit);
  if (frame.head.type !== "call") throw invalidFrame(`a request is of type '${frame.head.type}'`);
  if (bodyHash !== claims.bodyHash) throw invalidFrame("a request is not what was signed");
  return frame;
}

function refuseModel({ head }: Frame, modelThere: unknown, { model, endpoint }: HttpContext): FrameBytes | null {
  const modelHere = formatModel(model);
  if (modelThere === modelHere) return null;
  const reason = `it serves the model ${modelHere}, the call is for ${modelThere}`;
  return encodeErrorFrame(head, remoeError("EXPERT_PEER_REJECTED", { endpoint, reason }));
}

/** → the answer, or `null` if nobody waits for it */
function compute(frame: Frame, response: ServerResponse, { service }: HttpContext): Promise<FrameBytes | null> {
  return new Promise((resolve) => {
    const cancel = service.submit(frame, resolve);
    response.once("close", () => {
      cancel();
      resolve(null);
    });
  });
}

function send(response: ServerResponse, answer: FrameBytes, proof: string): void {
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": sumLengths(answer),
    [AUTH_HEADER]: proof,
  });
  for (const part of answer) response.write(part);
  response.end();
}
