const FIRST_BYTES = 4096;

/** Puts numbers and texts one behind the other, little-endian. */
export class ByteWriter {
  #bytes: Buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;

  u32(value: number): this {
    const at = this.#claim(4);
    this.#bytes.writeUInt32LE(value, at);
    return this;
  }

  /** Seven bits a byte, the lowest first, the top bit set in all but the last. Any safe integer from 0. */
  varint(value: number): this {
    let rest = value;
    // Not by shifts, which end at 32 bits.
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#byte((rest % 0x80) + 0x80);
    return this.#byte(rest);
  }

  varints(values: ArrayLike<number>): this {
    for (let i = 0; i < values.length; i++) this.varint(values[i] as number);
    return this;
  }

  /** Its length in bytes as a varint, then UTF-8. */
  text(text: string): this {
    const encoded = Buffer.from(text);
    return this.varint(encoded.length).raw(encoded);
  }

  f32s(values: Float32Array): this {
    const at = this.#claim(values.length * 4);
    for (let i = 0; i < values.length; i++) this.#bytes.writeFloatLE(values[i] as number, at + 4 * i);
    return this;
  }

  u16s(values: Uint16Array): this {
    const at = this.#claim(values.length * 2);
    for (let i = 0; i < values.length; i++) this.#bytes.writeUInt16LE(values[i] as number, at + 2 * i);
    return this;
  }

  raw(bytes: ArrayLike<number>): this {
    const at = this.#claim(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** → everything written so far. The writer must not be used afterwards. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #byte(value: number): this {
    const at = this.#claim(1);
    this.#bytes[at] = value;
    return this;
  }

  /** Makes room for the next bytes and returns where they start. */
  #claim(length: number): number {
    const start = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, start);
      this.#bytes = larger;
    }
    return start;
  }
}
