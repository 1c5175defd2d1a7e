import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { remoeError } from "../core/errors.ts";
import { residentShare } from "../ggml/page-cache.ts";
import type { DiskSource, ModelSource } from "../gguf/model-source.ts";

/** A part of a file, and the memory it goes to: pieces that are filled one behind the other. */
export interface RangeRead {
  readonly targets: readonly Uint8Array[];
  readonly offset: number;
  /** Bytes that must be there; the rest may lie past the end of the file. */
  readonly needed: number;
}

/** An open file of a model. */
export interface RangeReader {
  /** Offsets, lengths and addresses must be whole sectors. */
  readonly isDirect: boolean;
  /** @throws MODEL_FILE_TRUNCATED when the file ends before, and what the source throws */
  read(range: RangeRead): Promise<void>;
  close(): Promise<void>;
}

/** With less of the file than this in the page cache, reading around the cache is faster. */
const MOSTLY_CACHED = 0.5;

/**
 * Opens a file for reading. One on disk that is not in the page cache is read with O_DIRECT: nothing is copied through the
 * cache, and the weights are in memory once, not twice.
 */
export async function openRanges(source: ModelSource): Promise<RangeReader> {
  if (source.type === "disk") return openFile(source);
  return {
    isDirect: false,
    read: ({ targets, offset }) => source.fill(targets, offset),
    close: async () => {},
  };
}

async function openFile({ path }: DiskSource): Promise<RangeReader> {
  const direct = await openDirect(path);
  const handle = direct ?? (await open(path, "r"));
  return {
    isDirect: direct !== null,
    read: (range) => readFile({ path, handle }, range),
    close: () => handle.close(),
  };
}

/** → null where the cache serves better, or the file system (tmpfs) has no O_DIRECT */
async function openDirect(path: string): Promise<FileHandle | null> {
  if (constants.O_DIRECT === undefined || residentShare(path) >= MOSTLY_CACHED) return null;
  return open(path, constants.O_RDONLY | constants.O_DIRECT).catch(() => null);
}

interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
}

/** One system call for all targets if it gives everything, and more of them for what it leaves. */
async function readFile(file: OpenFile, { targets, offset, needed }: RangeRead): Promise<void> {
  const [first] = targets;
  if (first !== undefined && targets.length === 1) return readFully(file, first, { offset, needed });
  let { bytesRead } = await file.handle.readv(targets, offset);
  let start = offset;
  for (const target of targets) {
    const done = Math.min(bytesRead, target.length);
    bytesRead -= done;
    await readFully(file, target.subarray(done), { offset: start + done, needed: target.length - done });
    start += target.length;
  }
}

async function readFully(
  { path, handle }: OpenFile,
  target: Uint8Array,
  { offset, needed }: Pick<RangeRead, "offset" | "needed">,
): Promise<void> {
  let done = 0;
  while (done < needed) {
    const { bytesRead } = await handle.read(target, done, target.length - done, offset + done);
    if (bytesRead === 0) {
      const size = offset + done;
      throw remoeError("MODEL_FILE_TRUNCATED", { path, part: "tensor data", needed: offset + needed, size });
    }
    done += bytesRead;
  }
}
