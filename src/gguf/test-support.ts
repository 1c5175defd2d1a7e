import { type ErrorCode, isRemoeError } from "../core/errors.ts";
import type { ByteSource } from "./byte-source.ts";
import { HeaderBuilder } from "./header-builder.ts";
import { ARRAY_ID, elementTypeId, type MetadataValue } from "./metadata-value.ts";
import { diskSource } from "./model-source.ts";
import { type GgufFile, MAGIC, parseGguf } from "./read.ts";
import { GgmlType } from "./types.ts";

/** Bytes in memory that count how much of them is read; `size` may claim more zeros behind them. */
export function memorySource(bytes: Uint8Array, size = bytes.length): ByteSource & { readonly bytesRead: number } {
  let bytesRead = 0;
  return {
    size,
    get bytesRead() {
      return bytesRead;
    },
    read(offset, length) {
      bytesRead += length;
      const copy = new Uint8Array(length);
      copy.set(bytes.subarray(offset, offset + length));
      return copy;
    },
  };
}

/** Parses bytes that errors call `path`. */
export function parse(header: ByteSource, path: string): GgufFile {
  return parseGguf({ header, source: diskSource(path, header.size) });
}

/** The catalogue code that an action is refused with; other errors pass through. */
export function codeOf(action: () => unknown): ErrorCode | "no error" {
  try {
    action();
    return "no error";
  } catch (error) {
    if (isRemoeError(error)) return error.code;
    throw error;
  }
}

type AppendEntry = (builder: HeaderBuilder) => void;

/** A header by hand, with every part open to abuse that the writer would refuse. */
interface RawHeader {
  readonly magic?: number;
  readonly version?: number;
  readonly keyCount?: number;
  readonly tensorCount?: number;
  readonly entries?: readonly AppendEntry[];
  readonly tensors?: readonly RawTensor[];
  readonly dataBytes?: number;
}

interface RawTensor {
  readonly name?: string;
  readonly shape?: readonly number[];
  readonly type?: number;
  readonly offset?: number;
}

const ALIGNMENT = 32;

/** The bytes of a GGUF file; what is not given is that of a valid, empty file. */
export function rawGguf(header: RawHeader): Uint8Array {
  const { entries = [], tensors = [], dataBytes = 0 } = header;
  const builder = new HeaderBuilder();
  builder.u32(header.magic ?? MAGIC);
  builder.u32(header.version ?? 3);
  builder.u64(header.tensorCount ?? tensors.length);
  builder.u64(header.keyCount ?? entries.length);
  for (const append of entries) append(builder);
  for (const tensor of tensors) appendTensor(builder, tensor);
  const bytes = builder.bytes();
  const padded = new Uint8Array(Math.ceil(bytes.length / ALIGNMENT) * ALIGNMENT + dataBytes);
  padded.set(bytes);
  return padded;
}

function appendTensor(builder: HeaderBuilder, { name = "t", shape = [8], type = GgmlType.F32, offset = 0 }: RawTensor) {
  builder.string(name);
  builder.u32(shape.length);
  for (const dimension of shape) builder.u64(dimension);
  builder.u32(type);
  builder.u64(offset);
}

/** A well-formed entry of a single value. */
export function entry(key: string, value: Exclude<MetadataValue, { type: "array" }>): AppendEntry {
  return (builder) => {
    typeEntry(key, elementTypeId(value.type))(builder);
    builder.element(value.type, value.value);
  };
}

/** An entry that ends after its type. */
export function typeEntry(key: string, typeId: number): AppendEntry {
  return (builder) => {
    builder.string(key);
    builder.u32(typeId);
  };
}

/** An array entry whose elements are whatever follows it. */
export function arrayEntry(key: string, elementId: number, count: number): AppendEntry {
  return (builder) => {
    typeEntry(key, ARRAY_ID)(builder);
    builder.u32(elementId);
    builder.u64(count);
  };
}

/** A string entry whose characters are whatever follows it. */
export function stringEntry(key: string, length: number): AppendEntry {
  return (builder) => {
    typeEntry(key, elementTypeId("string"))(builder);
    builder.u64(length);
  };
}

/** An entry whose key is these bytes. */
export function keyEntry(...key: readonly number[]): AppendEntry {
  return (builder) => {
    builder.u64(key.length);
    for (const byte of key) builder.element("uint8", byte);
    builder.u32(elementTypeId("uint8"));
    builder.element("uint8", 0);
  };
}
