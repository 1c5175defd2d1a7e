import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import type { HistoryEntry } from "./eviction.ts";
import { encodeHeader } from "./header-codec.ts";
import type { HistoryIdentity } from "./identity.ts";
import { promptKey } from "./prompt-key.ts";
import { replaceFile } from "./replace-file.ts";
import { addDamage, type HistoryDamage, NO_DAMAGE, scanHistory } from "./scan-history.ts";

/** A history on disk and where its records lie. */
export interface HistoryContent {
  /** Open for appending and reading. */
  readonly file: FileHandle;
  readonly fileBytes: number;
  /** Oldest first. */
  readonly entries: readonly HistoryEntry[];
  readonly damage: HistoryDamage;
}

/**
 * Opens a history, or creates it where none or an empty file is, and cuts off what a crash tore.
 * @throws HISTORY_INVALID, HISTORY_FOREIGN, errors of the file system
 */
export async function openContent(path: string, identity: HistoryIdentity): Promise<HistoryContent> {
  if (await isMissing(path)) return createContent(path, identity);
  const file = await open(path, constants.O_RDWR | constants.O_APPEND);
  try {
    return await repairContent(file, path, identity);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function isMissing(path: string): Promise<boolean> {
  try {
    const stats = await stat(path);
    return stats.isFile() && stats.size === 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw error;
  }
}

async function createContent(path: string, identity: HistoryIdentity): Promise<HistoryContent> {
  const header = encodeHeader(identity);
  const file = await replaceFile(path, [header]);
  return { file, fileBytes: header.length, entries: [], damage: NO_DAMAGE };
}

async function repairContent(file: FileHandle, path: string, identity: HistoryIdentity): Promise<HistoryContent> {
  const { headerBytes, frames } = await scanHistory(file, path, identity);
  const entries: HistoryEntry[] = [];
  let fileBytes = headerBytes;
  let damage = NO_DAMAGE;
  for await (const { frame, record } of frames) {
    damage = addDamage(damage, frame);
    if (frame.kind !== "torn") fileBytes += frame.bytes;
    if (record !== null)
      entries.push({ offset: frame.offset, bytes: frame.bytes, promptKey: promptKey(record.vector) });
  }
  if (damage.droppedBytes > 0) await file.truncate(fileBytes);
  return { file, fileBytes, entries, damage };
}
