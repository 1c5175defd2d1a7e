import { crc32 } from "node:zlib";
import { remoeError } from "../core/errors.ts";
import type { FileWindow } from "./file-window.ts";
import { decodeHead, HEAD_BYTES } from "./frame.ts";
import { LIMITS } from "./limits.ts";

/** A stretch of the file: where it starts, and its bytes. */
interface Stretch {
  readonly offset: number;
  readonly bytes: number;
}

/** `damaged` is a frame with a wrong payload that others follow; `torn` the rest that a crash left of the last write. */
export type ScannedFrame =
  | (Stretch & { readonly kind: "intact"; readonly payload: Buffer })
  | (Stretch & { readonly kind: "damaged" | "torn" });

/**
 * Every frame from `start` to the end of the file.
 * @param path for error messages
 * @throws HISTORY_INVALID where frames end before the file does
 */
export async function* scanFrames(file: FileWindow, start: number, path: string): AsyncGenerator<ScannedFrame> {
  let offset = start;
  while (offset < file.size) {
    const frame = (await frameAt(file, offset)) ?? (await tornHeadAt(file, offset));
    if (frame === null) throw remoeError("HISTORY_INVALID", { path, problem: `it is damaged at byte ${offset}` });
    yield frame;
    offset += frame.bytes;
  }
}

/** → null if no intact head is there. */
async function frameAt(file: FileWindow, offset: number): Promise<ScannedFrame | null> {
  const head = decodeHead(await file.read(offset, HEAD_BYTES));
  if (head === null) return null;
  const left = file.size - offset;
  const bytes = HEAD_BYTES + head.payloadBytes;
  if (bytes > left) return { kind: "torn", offset, bytes: left };
  const payload = await file.read(offset + HEAD_BYTES, head.payloadBytes);
  if (crc32(payload) === head.payloadCrc) return { kind: "intact", offset, bytes, payload };
  return { kind: bytes === left ? "torn" : "damaged", offset, bytes };
}

/**
 * The start of a head and then nothing, or only zeros: some file systems lengthen a file before its bytes arrive. →
 * null if there is more, or more than one write leaves.
 */
async function tornHeadAt(file: FileWindow, offset: number): Promise<ScannedFrame | null> {
  const bytes = file.size - offset;
  if (bytes > HEAD_BYTES + LIMITS.recordBytes) return null;
  const rest = await file.read(offset + HEAD_BYTES, bytes);
  return rest.every((byte) => byte === 0) ? { kind: "torn", offset, bytes } : null;
}
