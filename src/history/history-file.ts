import type { FileHandle } from "node:fs/promises";
import { remoeError } from "../core/errors.ts";
import { type HistoryEntry, type HistoryLimits, needsCompaction, retainEntries } from "./eviction.ts";
import { FileWindow } from "./file-window.ts";
import { encodeFrame } from "./frame.ts";
import { encodeHeader } from "./header-codec.ts";
import { findIdentityProblem, type HistoryIdentity } from "./identity.ts";
import { LIMITS } from "./limits.ts";
import { type HistoryContent, openContent } from "./open-content.ts";
import { orUnwritable } from "./or-unwritable.ts";
import { promptKey } from "./prompt-key.ts";
import { type HistoryRecord, withoutTokens } from "./record.ts";
import { encodeRecord } from "./record-codec.ts";
import { findRecordProblem } from "./record-problem.ts";
import { replaceFile } from "./replace-file.ts";
import type { HistoryDamage } from "./scan-history.ts";
import { type ReleaseLock, takeLock } from "./take-lock.ts";

export interface HistoryOptions {
  readonly limits: HistoryLimits;
  /** `counts` leaves token ids and routing token by token out of what is appended. */
  readonly privacy: "full" | "counts";
  /** Every how many appends to wait for the disk. What came since is lost only if the machine fails, not the process. */
  readonly syncEvery: number;
  /** Whoever holds the lock is known to be gone: for those who agree elsewhere on who writes. */
  readonly takesOver: boolean;
}

export const DEFAULT_HISTORY_OPTIONS: HistoryOptions = {
  limits: { maxRecords: 10_000, maxBytes: 256 * 1024 ** 2 },
  privacy: "full",
  syncEvery: 32,
  takesOver: false,
};

interface Claim {
  readonly path: string;
  readonly identity: HistoryIdentity;
  readonly options: HistoryOptions;
  readonly release: ReleaseLock;
}

/** A history that this process, and no other, appends to. */
export class HistoryFile {
  /** What opening cut off, and what it could not read and leaves to the next compaction. */
  readonly repaired: HistoryDamage;
  readonly #claim: Claim;
  #file: FileHandle;
  #fileBytes: number;
  #entries: HistoryEntry[];
  /** Whether an append failed half-way, so that the file has more than its bytes. */
  #torn = false;
  #unsynced = 0;
  /** Settles with the last append: they run one after the other. */
  #queue: Promise<void> = Promise.resolve();

  private constructor(claim: Claim, content: HistoryContent) {
    this.#claim = claim;
    this.#file = content.file;
    this.#fileBytes = content.fileBytes;
    this.#entries = [...content.entries];
    this.repaired = content.damage;
  }

  /**
   * Opens or creates a history, and locks it until `close`. A record that a crash tore at the end is cut off.
   * @param identity the model that is served: the history of another is refused
   * @throws HISTORY_UNWRITABLE (also if another process writes it), HISTORY_INVALID, HISTORY_FOREIGN
   */
  static async open(
    path: string,
    identity: HistoryIdentity,
    options: Partial<HistoryOptions> = {},
  ): Promise<HistoryFile> {
    const problem = findIdentityProblem(identity);
    if (problem !== null) throw remoeError("HISTORY_UNWRITABLE", { path, reason: `the model ${problem}` });
    const all = { ...DEFAULT_HISTORY_OPTIONS, ...options };
    return orUnwritable(path, async () => {
      const release = await takeLock(path, all.takesOver);
      try {
        return new HistoryFile({ path, identity, options: all, release }, await openContent(path, identity));
      } catch (error) {
        await release();
        throw error;
      }
    });
  }

  /** How many records it has. */
  get records(): number {
    return this.#entries.length;
  }

  /** Size of the file: at most a quarter over the limit, plus one record. */
  get fileBytes(): number {
    return this.#fileBytes;
  }

  /**
   * Writes a record at the end, and the file anew without what the limits evict once it is a quarter over them.
   * @throws HISTORY_UNWRITABLE: nothing of the record stays, except if it is the writing anew that failed. The next
   * append tries again.
   */
  append(record: HistoryRecord): Promise<void> {
    return this.#enqueue(() => this.#append(record));
  }

  /** Waits for appends and the disk, then unlocks. Nothing may be appended afterwards. */
  close(): Promise<void> {
    return this.#enqueue(async () => {
      try {
        await this.#file.sync();
      } finally {
        await this.#file.close();
        await this.#claim.release();
      }
    });
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(() => orUnwritable(this.#claim.path, work));
    this.#queue = done.catch(() => {});
    return done;
  }

  async #append(record: HistoryRecord): Promise<void> {
    const frame = encodeFrame(this.#encode(record));
    await this.#write(frame);
    this.#entries.push({ offset: this.#fileBytes, bytes: frame.length, promptKey: promptKey(record.vector) });
    this.#fileBytes += frame.length;
    if (needsCompaction(this.#entries.length, this.#fileBytes, this.#claim.options.limits)) await this.#compact();
    else await this.#syncSometimes();
  }

  #encode(record: HistoryRecord): Buffer {
    const { path, identity, options } = this.#claim;
    const refuse = (problem: string): Error =>
      remoeError("HISTORY_UNWRITABLE", { path, reason: `the record '${record.id}' ${problem}` });
    const problem = findRecordProblem(record, identity);
    if (problem !== null) throw refuse(problem);
    const payload = encodeRecord(options.privacy === "full" ? record : withoutTokens(record), identity);
    if (payload.length <= LIMITS.recordBytes) return payload;
    throw refuse(`has ${payload.length} bytes, over the maximum of ${LIMITS.recordBytes}`);
  }

  /** One write, so that a crash leaves a start of the frame at most. */
  async #write(frame: Buffer): Promise<void> {
    if (this.#torn) await this.#file.truncate(this.#fileBytes);
    this.#torn = true;
    const { bytesWritten } = await this.#file.write(frame);
    if (bytesWritten < frame.length) {
      const reason = `only ${bytesWritten} of ${frame.length} bytes could be written`;
      throw remoeError("HISTORY_UNWRITABLE", { path: this.#claim.path, reason });
    }
    this.#torn = false;
  }

  async #syncSometimes(): Promise<void> {
    this.#unsynced++;
    if (this.#unsynced < this.#claim.options.syncEvery) return;
    await this.#file.sync();
    this.#unsynced = 0;
  }

  async #compact(): Promise<void> {
    const { path, identity, options } = this.#claim;
    const header = encodeHeader(identity);
    const retained = retainEntries(this.#entries, header.length, options.limits);
    const old = this.#file;
    this.#file = await replaceFile(path, copyFrames(header, old, retained));
    this.#entries = relocate(retained, header.length);
    this.#fileBytes = retained.reduce((sum, { bytes }) => sum + bytes, header.length);
    this.#unsynced = 0;
    await old.close();
  }
}

async function* copyFrames(header: Buffer, from: FileHandle, entries: readonly HistoryEntry[]): AsyncGenerator<Buffer> {
  yield header;
  const { size } = await from.stat();
  const window = new FileWindow(from, size);
  for (const { offset, bytes } of entries) yield window.read(offset, bytes);
}

/** The entries as they lie one behind the other. */
function relocate(entries: readonly HistoryEntry[], start: number): HistoryEntry[] {
  let offset = start;
  return entries.map((entry) => {
    const moved = { ...entry, offset };
    offset += entry.bytes;
    return moved;
  });
}
