import { type ElementType, type ElementValue, PRIMITIVES } from "./metadata-value.ts";

const INITIAL_BYTES = 64 * 1024;

/** Collects the bytes of a header in one growing buffer: the mirror of `Cursor`. */
export class HeaderBuilder {
  #buffer = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;

  /** What was written so far. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  u32(value: number): void {
    this.element("uint32", value);
  }

  u64(value: number): void {
    this.element("uint64", BigInt(value));
  }

  string(text: string): void {
    const encoded = Buffer.from(text);
    this.u64(encoded.length);
    const at = this.#claim(encoded.length);
    this.#buffer.set(encoded, at);
  }

  /** Writes a metadata value; false if the type cannot hold it. */
  element(type: ElementType, value: ElementValue): boolean {
    if (typeof value === "string" || type === "string") {
      this.string(String(value));
      return type === typeof value;
    }
    const { bytes, read, write } = PRIMITIVES[type];
    const at = this.#claim(bytes);
    write(this.#view, at, value);
    // Rounding is what a float32 is for; every other type must give back what it was given.
    return type === "float32" || Object.is(read(this.#view, at), value);
  }

  /** Makes room for the next bytes and returns where they start. */
  #claim(length: number): number {
    const start = this.#length;
    this.#length += length;
    if (this.#length > this.#buffer.length) this.#grow();
    return start;
  }

  #grow(): void {
    const larger = new Uint8Array(this.#length * 2);
    larger.set(this.#buffer);
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }
}
