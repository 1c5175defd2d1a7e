import { isUtf8 } from "node:buffer";

/** Eight hold any safe integer. */
const MAX_VARINT_BYTES = 8;

/** Takes apart what a ByteWriter wrote. Nothing is allocated for bytes that are not there. */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #refuse: (problem: string) => Error;
  #position = 0;

  /** @param refuse makes the error that every method throws on bytes no writer makes */
  constructor(bytes: Buffer, refuse: (problem: string) => Error) {
    this.#bytes = bytes;
    this.#refuse = refuse;
  }

  /** How many bytes are taken. */
  get position(): number {
    return this.#position;
  }

  u32(): number {
    const at = this.#claim(4);
    return this.#bytes.readUInt32LE(at);
  }

  /** A varint up to `maximum`. */
  varint(maximum: number): number {
    let value = 0;
    for (let place = 0; place < MAX_VARINT_BYTES; place++) {
      const at = this.#claim(1);
      const byte = this.#bytes[at] as number;
      value += (byte % 0x80) * 0x80 ** place;
      if (byte < 0x80) return this.#bounded(value, maximum);
    }
    throw this.#refuse("has a number without end");
  }

  /** How many items follow, each of at least `itemBytes`: refused if they cannot lie in the rest. */
  count(itemBytes: number): number {
    const count = this.varint(this.#bytes.length);
    this.#requireRoom(count * itemBytes);
    return count;
  }

  varints<Values extends Uint32Array | number[]>(values: Values, maximum: number): Values {
    this.#requireRoom(values.length);
    for (let i = 0; i < values.length; i++) values[i] = this.varint(maximum);
    return values;
  }

  text(maxBytes: number): string {
    const bytes = this.raw(this.varint(maxBytes));
    if (!isUtf8(bytes)) throw this.#refuse("has a text that is not UTF-8");
    return bytes.toString();
  }

  f32s(count: number): Float32Array {
    const at = this.#claim(count * 4);
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = this.#bytes.readFloatLE(at + 4 * i);
    return values;
  }

  u16s(count: number): Uint16Array {
    const at = this.#claim(count * 2);
    const values = new Uint16Array(count);
    for (let i = 0; i < count; i++) values[i] = this.#bytes.readUInt16LE(at + 2 * i);
    return values;
  }

  /** A view of the next bytes. */
  raw(length: number): Buffer {
    const at = this.#claim(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Refuses bytes left over. */
  end(): void {
    const left = this.#bytes.length - this.#position;
    if (left > 0) throw this.#refuse(`has ${left} bytes too many`);
  }

  #bounded(value: number, maximum: number): number {
    if (value > maximum) throw this.#refuse(`has ${value} where at most ${maximum} can be`);
    return value;
  }

  #requireRoom(length: number): void {
    const end = this.#position + length;
    if (end > this.#bytes.length) throw this.#refuse(`has ${this.#bytes.length} bytes and needs at least ${end}`);
  }

  #claim(length: number): number {
    this.#requireRoom(length);
    const start = this.#position;
    this.#position += length;
    return start;
  }
}
