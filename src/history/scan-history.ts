import type { FileHandle } from "node:fs/promises";
import { remoeError } from "../core/errors.ts";
import { FileWindow } from "./file-window.ts";
import { decodeHeader, MAX_HEADER_BYTES } from "./header-codec.ts";
import { type HistoryIdentity, requireSameIdentity } from "./identity.ts";
import type { HistoryRecord } from "./record.ts";
import { decodeRecord } from "./record-codec.ts";
import { type ScannedFrame, scanFrames } from "./scan-frames.ts";

/** What of a history cannot be read any more. */
export interface HistoryDamage {
  /** Of the torn end that a crash in the middle of a write left. */
  readonly droppedBytes: number;
  /** Records whose checksum is wrong. */
  readonly skippedRecords: number;
}

export const NO_DAMAGE: HistoryDamage = { droppedBytes: 0, skippedRecords: 0 };

/** A history on the way through it. */
export interface HistoryScan {
  readonly identity: HistoryIdentity;
  readonly headerBytes: number;
  /** Each frame with its record if it is intact. */
  readonly frames: AsyncGenerator<{ readonly frame: ScannedFrame; readonly record: HistoryRecord | null }>;
}

/**
 * Reads the header now, the records when they are asked for.
 * @param expected refuse the history of anything else
 * @throws HISTORY_INVALID (from `frames` too), HISTORY_FOREIGN
 */
export async function scanHistory(file: FileHandle, path: string, expected?: HistoryIdentity): Promise<HistoryScan> {
  const stats = await file.stat();
  // A device would never end.
  if (!stats.isFile()) throw remoeError("HISTORY_INVALID", { path, problem: "it is not a regular file" });
  const window = new FileWindow(file, stats.size);
  const { identity, bytes: headerBytes } = decodeHeader(await window.read(0, MAX_HEADER_BYTES), path);
  if (expected !== undefined) requireSameIdentity(path, identity, expected);
  const frames = decodeFrames(scanFrames(window, headerBytes, path), identity, path);
  return { identity, headerBytes, frames };
}

async function* decodeFrames(frames: AsyncIterable<ScannedFrame>, identity: HistoryIdentity, path: string) {
  for await (const frame of frames) {
    const refuse = (problem: string): Error =>
      remoeError("HISTORY_INVALID", { path, problem: `its record at byte ${frame.offset} ${problem}` });
    const record = frame.kind === "intact" ? decodeRecord(frame.payload, identity, refuse) : null;
    yield { frame, record };
  }
}

/** → the damage so far and that of one more frame. */
export function addDamage(damage: HistoryDamage, frame: ScannedFrame): HistoryDamage {
  return {
    droppedBytes: damage.droppedBytes + (frame.kind === "torn" ? frame.bytes : 0),
    skippedRecords: damage.skippedRecords + (frame.kind === "damaged" ? 1 : 0),
  };
}
