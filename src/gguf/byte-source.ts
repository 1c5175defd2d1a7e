import { closeSync, openSync, readSync, statSync } from "node:fs";
import { type RemoeError, remoeError } from "../core/errors.ts";

/** Random access to bytes that are at hand. */
export interface ByteSource {
  /** Bytes in total. */
  readonly size: number;
  /** Exactly the bytes from `offset`; fewer only if the source has shrunk since `size` was taken. */
  read(offset: number, length: number): Uint8Array;
}

/**
 * A file on disk. It is opened for each read, so that there is nothing to close and lists of the header can be read
 * any time later.
 * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE
 */
export function fileSource(path: string): ByteSource {
  const stats = orRefuse(path, () => statSync(path));
  // A pipe or a device would block the read or never end.
  if (!stats.isFile()) {
    const reason = stats.isDirectory() ? "it is a folder" : "it is not a regular file";
    throw remoeError("MODEL_UNREADABLE", { path, reason });
  }
  return { size: stats.size, read: (offset, length) => readFileBytes(path, offset, length) };
}

/**
 * The bytes of a file from `offset` on; fewer than `length` where it ends.
 * @throws MODEL_NOT_FOUND, MODEL_UNREADABLE
 */
export function readFileBytes(path: string, offset: number, length: number): Uint8Array {
  return orRefuse(path, () => readRange(path, offset, length));
}

function readRange(path: string, offset: number, length: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(length);
  const file = openSync(path, "r");
  try {
    let filled = 0;
    while (filled < length) {
      const count = readSync(file, bytes, filled, length - filled, offset + filled);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  } finally {
    closeSync(file);
  }
}

function orRefuse<Result>(path: string, access: () => Result): Result {
  try {
    return access();
  } catch (error) {
    throw accessError(path, error as NodeJS.ErrnoException);
  }
}

function accessError(path: string, cause: NodeJS.ErrnoException): RemoeError {
  if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return remoeError("MODEL_NOT_FOUND", { path }, cause);
  return remoeError("MODEL_UNREADABLE", { path, reason: cause.message }, cause);
}
