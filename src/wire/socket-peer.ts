import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { ExpertService } from "./expert-service.ts";
import { controlHead, encodeFrame, type Frame, HEADER_BYTES, invalidFrame, MAX_HANDSHAKE_BODY_BYTES } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { checkProof, compareModels, decodeModel, encodeWelcome, type ModelIdentity, NONCE_BYTES } from "./handshake.ts";
import { writeFrame } from "./write-frame.ts";

/** Most calls of one connection that may wait; reading goes on when there are fewer. */
const MAX_WAITING_CALLS = 4096;

export interface PeerOptions {
  readonly secret: string;
  readonly model: ModelIdentity;
  readonly service: ExpertService;
  readonly payloadLimit: number;
  readonly handshakeTimeoutMs: number;
  readonly onAuthenticated: () => void;
  readonly onClosed: () => void;
}

type PeerState = "unproven" | "proven" | "open";

/**
 * The function's end of one persistent connection. Whatever breaks the protocol closes the connection without a word;
 * until a peer has proven that it knows the secret it gets a nonce and nothing else.
 */
export class SocketPeer {
  readonly #socket: Socket;
  readonly #options: PeerOptions;
  readonly #nonce = randomBytes(NONCE_BYTES);
  readonly #reader = new FrameReader(MAX_HANDSHAKE_BODY_BYTES, (frame) => this.#receive(frame));
  readonly #handshakeTimer: NodeJS.Timeout;
  /** Request id → cancels the call. */
  readonly #waiting = new Map<number, () => void>();
  #waitingBytes = 0;
  #state: PeerState = "unproven";

  constructor(socket: Socket, options: PeerOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#handshakeTimer = setTimeout(() => this.destroy(), options.handshakeTimeoutMs);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("drain", () => this.#throttle());
    socket.on("error", () => this.destroy());
    socket.on("close", () => this.#closed());
    writeFrame(socket, encodeFrame(controlHead("challenge"), [this.#nonce]));
  }

  /** Closes the connection once what was written has left. */
  end(): void {
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #closed(): void {
    clearTimeout(this.#handshakeTimer);
    this.#reader.stop();
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
    this.#options.onClosed();
  }

  #take(chunk: Buffer): void {
    try {
      this.#reader.push(chunk, "given");
    } catch {
      this.destroy();
    }
  }

  #receive(frame: Frame): void {
    const { type, id } = frame.head;
    if (this.#state === "unproven" && type === "proof") this.#prove(frame.body);
    else if (this.#state === "proven" && type === "model") this.#open(frame.body);
    else if (this.#state === "open" && type === "call") this.#submit(frame);
    else if (this.#state === "open" && type === "cancel") this.#cancel(id);
    else throw invalidFrame(`a frame of type '${type}' came out of turn`);
  }

  #prove(proof: Buffer): void {
    const { secret, model, onAuthenticated } = this.#options;
    const client = checkProof(proof, secret, this.#nonce);
    if (client === null) throw invalidFrame("the proof is wrong");
    this.#state = "proven";
    onAuthenticated();
    const welcome = encodeWelcome(secret, { client, server: this.#nonce }, model);
    writeFrame(this.#socket, encodeFrame(controlHead("welcome"), welcome));
  }

  /** The client sees a difference, too, and says so on its side. */
  #open(body: Buffer): void {
    const difference = compareModels(this.#options.model, decodeModel(body));
    if (difference !== null) throw invalidFrame(difference);
    clearTimeout(this.#handshakeTimer);
    this.#state = "open";
    this.#reader.bodyLimit = this.#options.payloadLimit - HEADER_BYTES;
  }

  #submit(frame: Frame): void {
    const { id } = frame.head;
    if (this.#waiting.has(id)) throw invalidFrame(`request id ${id} is in use`);
    let settled = false;
    const cancel = this.#options.service.submit(frame, (answer) => {
      settled = true;
      if (answer !== null) writeFrame(this.#socket, answer);
      this.#release(id, frame.body.length);
    });
    if (settled) return;
    this.#waiting.set(id, () => {
      cancel();
      this.#release(id, frame.body.length);
    });
    this.#waitingBytes += frame.body.length;
    this.#throttle();
  }

  /** A call that was answered meanwhile cannot be cancelled any more. */
  #cancel(id: number): void {
    this.#waiting.get(id)?.();
  }

  #release(id: number, bytes: number): void {
    if (!this.#waiting.delete(id)) return;
    this.#waitingBytes -= bytes;
    this.#throttle();
  }

  /** Reads on only while calls that wait and replies that are not taken stay within bounds. */
  #throttle(): void {
    const bytes = this.#waitingBytes + this.#socket.writableLength;
    if (bytes > this.#options.payloadLimit || this.#waiting.size > MAX_WAITING_CALLS) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }
}
