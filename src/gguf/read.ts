import { remoeError } from "../core/errors.ts";
import { ALIGNMENT_KEY, alignmentOf, alignUp } from "./alignment.ts";
import { type ByteSource, fileSource } from "./byte-source.ts";
import { Cursor } from "./cursor.ts";
import { isPart, joinParts } from "./join-parts.ts";
import { type GgufMetadata, readMetadata } from "./metadata.ts";
import { diskSource, type ModelSource } from "./model-source.ts";
import { placeTensors, readTensorTable, type TensorInfo } from "./tensor-table.ts";

/** What a GGUF file, or a set of them that holds one model, says of itself; the tensors' data stays in the files. */
export interface GgufFile {
  /** How messages call it: the path or URL of the first part, without the query of a URL. */
  readonly path: string;
  /** Opens it again: a path, or a URL that may hold secrets. */
  readonly location: string;
  readonly version: number;
  /** Bytes that the offsets of the first part's tensors are multiples of, counted from the start of its data section. */
  readonly alignment: number;
  /** Of the first part, all that is not tensors' data. */
  readonly headerBytes: number;
  readonly metadata: GgufMetadata;
  /** By name, in the file's order, part after part. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** The files, in order: one, unless the model is split. */
  readonly parts: readonly ModelSource[];
  /** Of all parts together. */
  readonly fileBytes: number;
}

/** A file to read the header of. */
export interface OpenedFile {
  /** The bytes of the header at least. */
  readonly header: ByteSource;
  readonly source: ModelSource;
}

/** "GGUF" as a little-endian number. */
export const MAGIC = 0x46554747;

const VERSIONS = [2, 3];

/**
 * Reads the header of a model on disk, of every part if it is split. The files are not kept open.
 * @param path of the file, or of any part
 * @param open opens a part, by default a file on disk
 * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE, MODEL_PART_INVALID and what {@link parseGguf} throws
 */
export function readGguf(path: string, open: (path: string) => OpenedFile = openFile): GgufFile {
  const read = (part: string): GgufFile => parseGguf(open(part));
  const given = read(path);
  return isPart(given) ? joinParts(given, read) : given;
}

function openFile(path: string): OpenedFile {
  const header = fileSource(path);
  return { header, source: diskSource(path, header.size) };
}

/**
 * Reads the header of one GGUF file of version 2 or 3, little-endian. The source may be hostile: whatever it holds, this
 * returns or throws after reading no more than {@link LIMITS}.headerBytes and little more than the header.
 * @throws MODEL_FILE_INVALID, MODEL_FILE_TRUNCATED, MODEL_LIMIT_EXCEEDED, MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID
 */
export function parseGguf({ header, source }: OpenedFile): GgufFile {
  const { path, size } = source;
  const cursor = new Cursor(header, path);
  const version = readVersion(cursor);
  const tensorCount = cursor.u64();
  const metadata = readMetadata(cursor, cursor.u64());
  const alignment = alignmentOf(path, metadata.value(ALIGNMENT_KEY));
  const table = readTensorTable(cursor, tensorCount);
  const headerBytes = cursor.position;
  const tensors = placeTensors(table, { source, alignment, dataStart: alignUp(headerBytes, alignment) });
  return {
    path,
    location: path,
    version,
    alignment,
    headerBytes,
    metadata,
    tensors,
    parts: [source],
    fileBytes: size,
  };
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
