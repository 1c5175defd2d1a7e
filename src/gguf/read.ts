import { remoeError } from "../core/errors.ts";
import { ALIGNMENT_KEY, alignmentOf, alignUp } from "./alignment.ts";
import { type ByteSource, fileSource } from "./byte-source.ts";
import { Cursor } from "./cursor.ts";
import { isPart, joinParts } from "./join-parts.ts";
import { type GgufMetadata, readMetadata } from "./metadata.ts";
import { placeTensors, readTensorTable, type TensorInfo } from "./tensor-table.ts";

/** What a GGUF file, or a set of them that holds one model, says of itself; the tensors' data stays in the files. */
export interface GgufFile {
  /** Of the first part. */
  readonly path: string;
  readonly version: number;
  /** Bytes that the offsets of the first part's tensors are multiples of, counted from the start of its data section. */
  readonly alignment: number;
  readonly metadata: GgufMetadata;
  /** By name, in the file's order, part after part. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** The files, in order: one, unless the model is split. */
  readonly parts: readonly GgufPart[];
  /** Of all parts together. */
  readonly fileBytes: number;
}

export interface GgufPart {
  readonly path: string;
  readonly bytes: number;
}

/** "GGUF" as a little-endian number. */
export const MAGIC = 0x46554747;

const VERSIONS = [2, 3];

/**
 * Reads the header of a model, of every part if it is split. The files are not kept open.
 * @param path of the file, or of any part
 * @param open gives the bytes of a file, by default of one on disk
 * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE, MODEL_PART_INVALID and what {@link parseGguf} throws
 */
export function readGguf(path: string, open: (path: string) => ByteSource = fileSource): GgufFile {
  const read = (file: string): GgufFile => parseGguf(open(file), file);
  const given = read(path);
  return isPart(given) ? joinParts(given, read) : given;
}

/**
 * Reads the header of one GGUF file of version 2 or 3, little-endian. The source may be hostile: whatever it holds, this
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
  const parts = [{ path: name, bytes: source.size }];
  return { path: name, version, alignment, metadata, tensors, parts, fileBytes: source.size };
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
