import { type FileHandle, open } from "node:fs/promises";
import { toFileError } from "./file-error.ts";
import type { HistoryIdentity } from "./identity.ts";
import type { HistoryRecord } from "./record.ts";
import { addDamage, type HistoryDamage, NO_DAMAGE, scanHistory } from "./scan-history.ts";

/** The records of a history, oldest first: `for await (const record of history) …`. */
export interface HistoryReading extends AsyncIterable<HistoryRecord> {
  readonly identity: HistoryIdentity;
  /** Found since the last loop began; complete at its end. */
  readonly damage: HistoryDamage;
}

/**
 * Reads a history's header now, and its records from disk as a loop asks for them. The file is open during a loop only,
 * and a writer may append meanwhile: a loop sees what was there when it began.
 * @param expected refuse the history of anything else
 * @throws HISTORY_UNREADABLE, HISTORY_INVALID, HISTORY_FOREIGN, all from loops too
 */
export async function readHistory(path: string, expected?: HistoryIdentity): Promise<HistoryReading> {
  try {
    const file = await open(path, "r");
    const { identity } = await scanHistory(file, path, expected).finally(() => file.close());
    return new ClosedHistory(path, identity);
  } catch (error) {
    throw toFileError("HISTORY_UNREADABLE", path, error);
  }
}

class ClosedHistory implements HistoryReading {
  readonly identity: HistoryIdentity;
  readonly #path: string;
  #damage = NO_DAMAGE;

  constructor(path: string, identity: HistoryIdentity) {
    this.#path = path;
    this.identity = identity;
  }

  get damage(): HistoryDamage {
    return this.#damage;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HistoryRecord> {
    this.#damage = NO_DAMAGE;
    let file: FileHandle | null = null;
    try {
      file = await open(this.#path, "r");
      yield* this.#records(file);
    } catch (error) {
      throw toFileError("HISTORY_UNREADABLE", this.#path, error);
    } finally {
      await file?.close();
    }
  }

  async *#records(file: FileHandle): AsyncGenerator<HistoryRecord> {
    const { frames } = await scanHistory(file, this.#path, this.identity);
    for await (const { frame, record } of frames) {
      this.#damage = addDamage(this.#damage, frame);
      if (record !== null) yield record;
    }
  }
}
