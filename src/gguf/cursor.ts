import { isUtf8 } from "node:buffer";
import { remoeError } from "../core/errors.ts";
import type { ByteSource } from "./byte-source.ts";
import { checkLimit, LIMITS } from "./limits.ts";
import { type ElementType, type ElementValue, PRIMITIVES } from "./metadata-value.ts";

/** Large enough that a header takes few reads, small enough that a vocabulary is never held in memory at once. */
const WINDOW_BYTES = 256 * 1024;

const TWO_TO_32 = 2 ** 32;

/**
 * Reads a header front to back through a window on its source. Every step is checked against the end of the source and
 * the limit of a header, so nothing is read or allocated for bytes that are not there.
 * @throws MODEL_FILE_TRUNCATED, MODEL_FILE_INVALID and MODEL_LIMIT_EXCEEDED from every method
 */
export class Cursor {
  readonly source: ByteSource;
  /** How errors call the source. */
  readonly path: string;
  /** Nothing beyond is read. */
  readonly #end: number;
  #position: number;
  #window: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #windowStart = 0;

  constructor(source: ByteSource, path: string, position = 0) {
    this.source = source;
    this.path = path;
    this.#end = Math.min(source.size, LIMITS.headerBytes);
    this.#position = position;
  }

  /** Offset in the source of the next byte. */
  get position(): number {
    return this.#position;
  }

  u32(): number {
    const at = this.#claim(4);
    return this.#view.getUint32(at, true);
  }

  /** A 64-bit size. Exact up to 2^53; above it rounded, but still above every limit and file size. */
  u64(): number {
    const at = this.#claim(8);
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * TWO_TO_32;
  }

  /** A metadata value; in strings, bytes that are no UTF-8 become U+FFFD, as vocabularies of real models have some. */
  element(type: ElementType): ElementValue {
    if (type === "string") return this.#string();
    const { bytes, read } = PRIMITIVES[type];
    const at = this.#claim(bytes);
    return read(this.#view, at);
  }

  /** A key or tensor name: printable UTF-8 and not empty. */
  name(limit: "keyBytes" | "tensorNameBytes"): string {
    const start = this.#position;
    const bytes = this.u64();
    checkLimit(this.path, limit, bytes);
    const at = this.#claim(bytes);
    const encoded = this.#window.subarray(at, at + bytes);
    const name = encoded.toString();
    // Control characters in names could forge log lines and steer terminals.
    if (!isUtf8(encoded) || name === "" || /\p{Cc}/u.test(name)) {
      const problem = `has a key or tensor name at byte ${start} that is empty or not printable UTF-8`;
      throw remoeError("MODEL_FILE_INVALID", { path: this.path, problem });
    }
    return name;
  }

  /** Passes over `count` values of a type; over values of fixed size without reading them. */
  skip(type: ElementType, count: number): void {
    if (type === "string") {
      for (let index = 0; index < count; index++) this.#advance(this.#stringBytes());
    } else {
      this.#advance(count * PRIMITIVES[type].bytes);
    }
  }

  /** Refuses a declared count whose items, of at least `minBytes` each, cannot all lie in the rest of the source. */
  requireRoom(count: number, minBytes: number): void {
    const end = this.#position + count * minBytes;
    if (end > this.source.size) throw this.#truncated(this.source.size, end);
  }

  #string(): string {
    const bytes = this.#stringBytes();
    const at = this.#claim(bytes);
    return this.#window.toString("utf8", at, at + bytes);
  }

  #stringBytes(): number {
    const bytes = this.u64();
    checkLimit(this.path, "stringBytes", bytes);
    return bytes;
  }

  /** Takes the next bytes and returns where in the window they start. */
  #claim(length: number): number {
    const start = this.#position;
    this.#advance(length);
    if (this.#position > this.#windowStart + this.#window.length) this.#fill(start, length);
    return start - this.#windowStart;
  }

  #advance(length: number): void {
    const end = this.#position + length;
    if (end > this.#end) this.#refuse(end);
    this.#position = end;
  }

  #refuse(end: number): void {
    if (end > this.source.size) throw this.#truncated(this.source.size, end);
    checkLimit(this.path, "headerBytes", end);
  }

  #fill(start: number, needed: number): void {
    const length = Math.min(Math.max(needed, WINDOW_BYTES), this.source.size - start);
    const bytes = this.source.read(start, length);
    if (bytes.length < needed) throw this.#truncated(start + bytes.length, start + needed);
    this.#window = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#windowStart = start;
  }

  #truncated(size: number, needed: number): Error {
    return remoeError("MODEL_FILE_TRUNCATED", { path: this.path, size, part: "header", needed });
  }
}
