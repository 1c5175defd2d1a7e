import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { type RemoeError, remoeError } from "../core/errors.ts";
import { ALIGNMENT_KEY, alignmentOf, alignUp } from "./alignment.ts";
import { HeaderBuilder } from "./header-builder.ts";
import { ARRAY_ID, elementTypeId, type MetadataValue } from "./metadata-value.ts";
import { diskSource } from "./model-source.ts";
import { MAGIC, parseGguf } from "./read.ts";
import { checkedTensorBytes, type TensorInfo } from "./tensor-table.ts";

const VERSION = 3;

/** A tensor to write. */
export interface TensorSource extends Pick<TensorInfo, "name" | "type" | "shape"> {
  /** Called once, when it is this tensor's turn; the chunks together are exactly the tensor's bytes. */
  readonly data: () => Iterable<Uint8Array>;
}

/** What a GGUF file is to hold, in the file's order. */
export interface GgufContent {
  readonly metadata: readonly (readonly [key: string, value: MetadataValue])[];
  readonly tensors: readonly TensorSource[];
}

/**
 * Writes a GGUF file of version 3, holding in memory the header and one chunk of data. The file appears under its name
 * when it is complete; before that, and after any error, whatever was there stays as it is.
 * @returns the size of the file in bytes
 * @throws MODEL_UNWRITABLE, MODEL_METADATA_INVALID, MODEL_TENSOR_INVALID, MODEL_LIMIT_EXCEEDED, MODEL_FILE_INVALID
 */
export function writeGguf(path: string, content: GgufContent): number {
  const plan = planFile(path, content);
  replaceFile(path, fileChunks(content, plan));
  return plan.fileBytes;
}

interface FilePlan {
  readonly path: string;
  readonly header: Uint8Array;
  readonly alignment: number;
  readonly fileBytes: number;
}

/** Builds the header and reads it back: what the reader would refuse is never written. */
function planFile(path: string, content: GgufContent): FilePlan {
  const alignment = alignmentOf(path, content.metadata.find(([key]) => key === ALIGNMENT_KEY)?.[1]);
  const builder = new HeaderBuilder();
  builder.u32(MAGIC);
  builder.u32(VERSION);
  builder.u64(content.tensors.length);
  builder.u64(content.metadata.length);
  appendMetadata(builder, path, content.metadata);
  const dataBytes = appendTensors(builder, content.tensors, (tensor) =>
    alignUp(checkedTensorBytes(path, tensor), alignment),
  );
  const header = builder.bytes();
  const fileBytes = alignUp(header.length, alignment) + dataBytes;
  parseGguf({
    header: { size: fileBytes, read: (offset, length) => header.subarray(offset, offset + length) },
    source: diskSource(path, fileBytes),
  });
  return { path, header, alignment, fileBytes };
}

function appendMetadata(builder: HeaderBuilder, path: string, metadata: GgufContent["metadata"]): void {
  for (const [key, value] of metadata) {
    if (!appendEntry(builder, key, value)) throw unfit(path, key, value);
  }
}

/** False if the value does not fit the type it is declared with. */
function appendEntry(builder: HeaderBuilder, key: string, entry: MetadataValue): boolean {
  builder.string(key);
  if (entry.type !== "array") {
    builder.u32(elementTypeId(entry.type));
    return builder.element(entry.type, entry.value);
  }
  builder.u32(ARRAY_ID);
  builder.u32(elementTypeId(entry.elementType));
  builder.u64(entry.value.length);
  return entry.value.every((element) => builder.element(entry.elementType, element));
}

function unfit(path: string, key: string, entry: MetadataValue): RemoeError {
  const type = entry.type === "array" ? entry.elementType : entry.type;
  return remoeError("MODEL_METADATA_INVALID", { path, key, problem: `holds a value that is no ${type}` });
}

/** Describes tensors that follow each other and returns the bytes of them all; `sizeOf` includes the padding. */
function appendTensors(
  builder: HeaderBuilder,
  tensors: readonly TensorSource[],
  sizeOf: (tensor: TensorSource) => number,
): number {
  let offset = 0;
  for (const tensor of tensors) {
    const size = sizeOf(tensor);
    builder.string(tensor.name);
    builder.u32(tensor.shape.length);
    for (const dimension of tensor.shape) builder.u64(dimension);
    builder.u32(tensor.type);
    builder.u64(offset);
    offset += size;
  }
  return offset;
}

/** The file's bytes in order, every part padded to the alignment: ggml reads the data section as a whole. */
function* fileChunks({ tensors }: GgufContent, { path, header, alignment }: FilePlan): Iterable<Uint8Array> {
  yield header;
  yield padding(header.length, alignment);
  for (const tensor of tensors) {
    const bytes = checkedTensorBytes(path, tensor);
    yield* exactData(path, tensor, bytes);
    yield padding(bytes, alignment);
  }
}

function padding(bytes: number, alignment: number): Uint8Array {
  return new Uint8Array(alignUp(bytes, alignment) - bytes);
}

function* exactData(path: string, { name, data }: TensorSource, bytes: number): Iterable<Uint8Array> {
  let given = 0;
  for (const chunk of data()) {
    given += chunk.length;
    if (given > bytes) break;
    yield chunk;
  }
  if (given !== bytes) {
    const problem = `needs ${bytes} bytes of data and was given ${given > bytes ? "more" : given}`;
    throw remoeError("MODEL_TENSOR_INVALID", { path, tensor: name, problem });
  }
}

function replaceFile(path: string, chunks: Iterable<Uint8Array>): void {
  const temporary = `${path}.${process.pid}.tmp`;
  const file = orRefuse(path, () => openSync(temporary, "w"));
  try {
    writeChunks(path, file, chunks);
    orRefuse(path, () => renameSync(temporary, path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function writeChunks(path: string, file: number, chunks: Iterable<Uint8Array>): void {
  try {
    for (const chunk of chunks) orRefuse(path, () => writeFully(file, chunk));
    // Without it a power cut after the rename could leave the name on an empty file.
    orRefuse(path, () => fsyncSync(file));
  } finally {
    closeSync(file);
  }
}

function writeFully(file: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(file, bytes, written);
}

function orRefuse<Result>(path: string, access: () => Result): Result {
  try {
    return access();
  } catch (cause) {
    throw remoeError("MODEL_UNWRITABLE", { path, reason: (cause as Error).message }, cause);
  }
}
