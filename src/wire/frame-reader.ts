import { decodeHeader, type Frame, HEADER_BYTES, type ReceivedHead, verifyChecksum } from "./frame.ts";

/** Bodies from here on are received where they stay; smaller ones are copied out of the shared buffer. */
const DIRECT_BYTES = 64 << 10;
const BODY_ALIGNMENT = 8;
const SHARED_BYTES = 1 << 20;

/** Whatever arrives is taken out before the next connection reads, so that all of the process share it. */
let shared: Buffer | undefined;

/** Puts frames together from bytes as they arrive. */
export class FrameReader {
  /** Largest body it accepts, in bytes. */
  bodyLimit: number;
  readonly #onFrame: (frame: Frame) => void;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerFilled = 0;
  #head: ReceivedHead | null = null;
  #body: Buffer = Buffer.alloc(0);
  #bodyFilled = 0;
  #stopped = false;

  /** @param onFrame may keep the frame; what it throws goes to whoever brought the bytes */
  constructor(bodyLimit: number, onFrame: (frame: Frame) => void) {
    this.bodyLimit = bodyLimit;
    this.#onFrame = onFrame;
  }

  /** Whether a frame has begun and not ended. */
  get midFrame(): boolean {
    return this.#headerFilled > 0;
  }

  /**
   * Takes bytes.
   * @param chunk `lent` is copied; of what is `given`, whole frames stay where they are
   * @throws EXPERT_FRAME_INVALID
   */
  push(chunk: Buffer, ownership: "lent" | "given"): void {
    let rest = chunk;
    while (rest.length > 0 && !this.#stopped) {
      rest = rest.subarray(this.#head === null ? this.#takeHeader(rest, ownership) : this.#takeBody(rest));
    }
  }

  /** Where the next bytes may be received: straight into a large body, or into a buffer that `received` empties. */
  nextBuffer(): Buffer {
    const missing = this.#body.length - this.#bodyFilled;
    if (this.#head !== null && missing >= DIRECT_BYTES) return this.#body.subarray(this.#bodyFilled);
    shared ??= Buffer.allocUnsafeSlow(SHARED_BYTES);
    return shared;
  }

  /**
   * Takes the first `bytes` of what `nextBuffer` returned.
   * @throws EXPERT_FRAME_INVALID
   */
  received(bytes: number, buffer: Buffer): void {
    if (buffer === shared) this.push(buffer.subarray(0, bytes), "lent");
    else this.#advanceBody(bytes);
  }

  /** Drops what has arrived and ignores what follows. */
  stop(): void {
    this.#stopped = true;
    this.#reset();
  }

  /** → bytes taken */
  #takeHeader(chunk: Buffer, ownership: "lent" | "given"): number {
    const taken = chunk.subarray(0, HEADER_BYTES - this.#headerFilled);
    this.#header.set(taken, this.#headerFilled);
    this.#headerFilled += taken.length;
    if (this.#headerFilled < HEADER_BYTES) return taken.length;
    this.#head = decodeHeader(this.#header, this.bodyLimit);
    const { bodyBytes } = this.#head;
    const end = taken.length + bodyBytes;
    const stays =
      ownership === "given" && end <= chunk.length && (chunk.byteOffset + taken.length) % BODY_ALIGNMENT === 0;
    this.#body = stays ? chunk.subarray(taken.length, end) : Buffer.allocUnsafe(bodyBytes);
    this.#advanceBody(stays ? bodyBytes : 0);
    return stays ? end : taken.length;
  }

  /** → bytes taken */
  #takeBody(chunk: Buffer): number {
    const taken = chunk.subarray(0, this.#body.length - this.#bodyFilled);
    this.#body.set(taken, this.#bodyFilled);
    this.#advanceBody(taken.length);
    return taken.length;
  }

  #advanceBody(bytes: number): void {
    this.#bodyFilled += bytes;
    const [head, body] = [this.#head, this.#body];
    if (head === null || this.#bodyFilled < body.length) return;
    if (head.checksum) verifyChecksum(this.#header, body);
    this.#reset();
    this.#onFrame({ head, body });
  }

  #reset(): void {
    this.#headerFilled = 0;
    this.#head = null;
    this.#body = Buffer.alloc(0);
    this.#bodyFilled = 0;
  }
}
