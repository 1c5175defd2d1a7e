import { remoeError } from "../core/errors.ts";
import { fileSource, readFileBytes } from "./byte-source.ts";

/** A file of a model, whose bytes are read when they are needed. */
export type ModelSource = DiskSource | WebSource;

interface Source {
  /** How messages call it: a path, or a URL without its query, which may hold secrets. */
  readonly path: string;
  /** Bytes in total. */
  readonly size: number;
  /** @throws MODEL_FILE_TRUNCATED when there are fewer, and what reading such a file throws */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface DiskSource extends Source {
  readonly type: "disk";
}

/** Behind a URL. */
export interface WebSource extends Source {
  readonly type: "web";
  /** When it was changed last, in milliseconds since 1970; 0 if the server does not say. */
  readonly modifiedMs: number;
  /** Fills `targets`, one behind the other, with the bytes from `offset` on. */
  fill(targets: readonly Uint8Array[], offset: number): Promise<void>;
}

export function diskSource(path: string, size: number): DiskSource {
  return { type: "disk", path, size, read: async (offset, length) => readExactly(path, offset, length) };
}

/** @throws MODEL_NOT_FOUND, MODEL_UNREADABLE, MODEL_FILE_TRUNCATED */
function readExactly(path: string, offset: number, length: number): Uint8Array {
  const bytes = readFileBytes(path, offset, length);
  if (bytes.length === length) return bytes;
  const { size } = fileSource(path);
  throw remoeError("MODEL_FILE_TRUNCATED", { path, size, part: "tensor data", needed: offset + length });
}
