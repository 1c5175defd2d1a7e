import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { encodeCall } from "./call-codec.ts";
import type { ResolvedConnectOptions } from "./connect-options.ts";
import { type Endpoint, formatEndpoint } from "./endpoint.ts";
import type { ExpertReply } from "./expert-call.ts";
import {
  controlHead,
  encodeFrame,
  type Frame,
  type FrameBytes,
  HEADER_BYTES,
  invalidFrame,
  MAX_HANDSHAKE_BODY_BYTES,
} from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { checkWelcome, compareModels, encodeModel, encodeProof, NONCE_BYTES, type Nonces } from "./handshake.ts";
import { openSocket } from "./open-socket.ts";
import { connectionLost, peerRejected } from "./peer-errors.ts";
import { type OutgoingCall, PendingCall } from "./pending-call.ts";
import { decodeAnswer } from "./reply-codec.ts";
import { writeFrame } from "./write-frame.ts";

type LinkState =
  | { readonly type: "connecting" }
  | { readonly type: "proving"; readonly nonces: Nonces }
  | { readonly type: "open" }
  | { readonly type: "broken" };

/**
 * The client's end of one persistent connection, from its handshake until it breaks; calls made before it is open
 * leave when it is.
 */
export class SocketLink {
  readonly #endpoint: string;
  readonly #options: ResolvedConnectOptions;
  readonly #onBroken: () => void;
  readonly #reader = new FrameReader(MAX_HANDSHAKE_BODY_BYTES, (frame) => this.#receive(frame));
  readonly #socket: Socket;
  readonly #pending = new Map<number, PendingCall>();
  readonly #connectTimer: NodeJS.Timeout;
  #state: LinkState = { type: "connecting" };
  #lastId = 0;

  constructor(endpoint: Endpoint, options: ResolvedConnectOptions, onBroken: () => void) {
    this.#endpoint = formatEndpoint(endpoint);
    this.#options = options;
    this.#onBroken = onBroken;
    const { tls, connectTimeoutMs } = options;
    const onInvalid = (error: unknown): void => this.break(error);
    this.#socket = openSocket(endpoint, { tls, reader: this.#reader, onInvalid });
    this.#socket.on("error", (error) => this.break(this.#lost(error)));
    this.#socket.on("close", () => this.break(this.#closedByPeer()));
    this.#connectTimer = setTimeout(
      () => this.break(this.#lost(`no connection within ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    ).unref();
  }

  /** When the link is open, the call's bytes are the kernel's before this returns. */
  send(outgoing: OutgoingCall): Promise<ExpertReply> {
    this.#lastId = (this.#lastId + 1) >>> 0;
    const id = this.#lastId;
    const pending = new PendingCall(outgoing, {
      endpoint: this.#endpoint,
      pollMs: this.#options.pollMs,
      giveUp: (reason) => this.#giveUp(id, reason),
      settled: () => this.#forget(id),
    });
    this.#pending.set(id, pending);
    this.#socket.ref();
    if (this.#state.type === "open") this.#write(id, pending);
    return pending.promise;
  }

  /** Ends the link; what still waits fails with `error`. */
  break(error: unknown): void {
    if (this.#state.type === "broken") return;
    this.#state = { type: "broken" };
    clearTimeout(this.#connectTimer);
    this.#reader.stop();
    this.#socket.destroy();
    this.#onBroken();
    for (const pending of this.#pending.values()) pending.reject(error);
  }

  closeHere(): void {
    this.break(this.#lost("it was closed on this side"));
  }

  #write(id: number, { outgoing: { call, shape }, remainingMs }: PendingCall): void {
    const head = {
      type: "call",
      id,
      rowType: shape.rowType,
      checksum: this.#options.checksum,
      timeMs: remainingMs,
    } as const;
    writeFrame(this.#socket, encodeFrame(head, encodeCall(call, shape)));
  }

  #giveUp(id: number, reason: "timeout" | "aborted"): void {
    // A connection that is open on this side only looks like a slow one: do not trust it with another call.
    if (reason === "timeout") this.break(this.#lost("a call on it was not answered in time"));
    else if (this.#state.type === "open") writeFrame(this.#socket, encodeFrame(controlHead("cancel", id), []));
  }

  #forget(id: number): void {
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#socket.unref();
  }

  #receive(frame: Frame): void {
    const { type } = frame.head;
    if (this.#state.type === "connecting" && type === "challenge") this.#prove(frame.body);
    else if (this.#state.type === "proving" && type === "welcome") this.#open(frame.body, this.#state.nonces);
    else if (this.#state.type === "open" && (type === "reply" || type === "error")) this.#settle(frame);
    else throw invalidFrame(`a frame of type '${type}' came out of turn`);
  }

  #prove(server: Buffer): void {
    if (server.length !== NONCE_BYTES) throw invalidFrame(`a challenge has ${server.length} bytes`);
    const nonces = { client: randomBytes(NONCE_BYTES), server };
    this.#state = { type: "proving", nonces };
    this.#writeControl("proof", encodeProof(this.#options.secret, nonces));
  }

  #open(welcome: Buffer, nonces: Nonces): void {
    const model = checkWelcome(welcome, this.#options.secret, nonces);
    if (model === null) throw peerRejected(this.#endpoint, "it does not know the secret");
    const difference = compareModels(this.#options, model);
    if (difference !== null) throw peerRejected(this.#endpoint, difference);
    clearTimeout(this.#connectTimer);
    this.#state = { type: "open" };
    this.#reader.bodyLimit = this.#options.payloadLimit - HEADER_BYTES;
    this.#writeControl("model", encodeModel(this.#options));
    for (const [id, pending] of this.#pending) this.#write(id, pending);
    if (this.#pending.size === 0) this.#socket.unref();
  }

  /** An answer to nobody's call is one that crossed its cancellation. */
  #settle(frame: Frame): void {
    const pending = this.#pending.get(frame.head.id);
    if (pending === undefined) return;
    pending.answer(decodeAnswer(frame, pending.outgoing.shape, this.#options.checksum));
  }

  #writeControl(type: "proof" | "model", body: FrameBytes): void {
    writeFrame(this.#socket, encodeFrame(controlHead(type), body));
  }

  /** A function refuses a client that does not know the secret without a word. */
  #closedByPeer(): Error {
    if (this.#state.type === "proving") return peerRejected(this.#endpoint, "it refused the secret");
    return this.#lost("the other side closed it");
  }

  #lost(cause: unknown): Error {
    return connectionLost(this.#endpoint, cause);
  }
}
