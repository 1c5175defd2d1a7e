import { remoeError } from "../core/errors.ts";
import { ALIGNMENT_KEY, alignmentOf, alignUp } from "./alignment.ts";
import { type ByteSource, fileSource } from "./byte-source.ts";
import { Cursor } from "./cursor.ts";
import { type GgufMetadata, readMetadata } from "./metadata.ts";
import { placeTensors, readTensorTable, type TensorInfo } from "./tensor-table.ts";

/** What a GGUF file says of itself; the tensors' data stays in the file. */
export interface GgufFile {
  readonly path: string;
  readonly version: number;
  /** Bytes that every tensor's offset is a multiple of, counted from the start of the data section. */
  readonly alignment: number;
  readonly metadata: GgufMetadata;
  /** By name, in the file's order. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly fileBytes: number;
}

/** "GGUF" as a little-endian number. */
export const MAGIC = 0x46554747;

const VERSIONS = [2, 3];

/**
 * Reads the header of a model file. The file is not kept open.
 * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE and what {@link parseGguf} throws
 */
export function readGguf(path: string): GgufFile {
  return parseGguf(fileSource(path), path);
}

/**
 * Reads the header of a GGUF of version 2 or 3, little-endian. The source may be hostile: whatever it holds, this
 * returns or throws after reading no more than {@link LIMITS}.headerBytes and little more than the header.
 * @param name what errors call the source
 * @throws MODEL_FILE_INVALID, MODEL_FILE_TRUNCATED, MODEL_LIMIT_EXCEEDED, MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID
 */
export function parseGguf(source: ByteSource, name: string): GgufFile {
  const cursor = new Cursor(source, name);
  const version = readVersion(cursor);
  const tensorCount = cursor.u64();
  const metadata = readMetadata(cursor, cursor.u64());
  const alignment = alignmentOf(name, metadata.value(ALIGNMENT_KEY));
  const table = readTensorTable(cursor, tensorCount);
  const dataStart = alignUp(cursor.position, alignment);
  const tensors = placeTensors(table, { path: name, alignment, dataStart, fileBytes: source.size });
  return { path: name, version, alignment, metadata, tensors, fileBytes: source.size };
}

function readVersion(cursor: Cursor): number {
  if (cursor.u32() !== MAGIC) throw fileError(cursor.path, "is not a GGUF file: it does not start with 'GGUF'");
  const version = cursor.u32();
  // A big-endian file's small version number has its zero bytes where ours are significant.
  if (version !== 0 && version % 2 ** 16 === 0) throw fileError(cursor.path, "is a big-endian GGUF file");
  if (!VERSIONS.includes(version)) throw fileError(cursor.path, `is a GGUF file of version ${version}`);
  return version;
}

function fileError(path: string, problem: string): Error {
  return remoeError("MODEL_FILE_INVALID", { path, problem });
}
