import { remoeError } from "../core/errors.ts";
import type { HistoryFile } from "./history-file.ts";
import type { HistoryRecord } from "./record.ts";

export interface SharedHistoryOptions {
  readonly path: string;
  /** Opens the file to write it, at the beginning of a turn. */
  readonly open: () => Promise<Pick<HistoryFile, "append" | "close">>;
  /** Hears what could not be written. */
  readonly onProblem: (error: Error) => void;
}

/** Records kept for a turn that may come; of more, the oldest go. */
const MOST_WAITING = 1000;

/** A history that several processes add to, and one of them at a time writes: the others keep their records for their turn. */
export class SharedHistory {
  readonly #options: SharedHistoryOptions;
  #file: Pick<HistoryFile, "append" | "close"> | null = null;
  #waiting: HistoryRecord[] = [];
  /** Settles with the last step: they run one after the other. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: SharedHistoryOptions) {
    this.#options = options;
  }

  /** Writes it now or in this process's turn. */
  append(record: HistoryRecord): void {
    this.#enqueue(async () => {
      this.#waiting.push(record);
      if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
      await this.#write();
    });
  }

  /** This process's turn has begun or is over. */
  setTurn(isMine: boolean): void {
    this.#enqueue(async () => {
      if (isMine && this.#file === null) this.#file = await this.#options.open();
      if (isMine) await this.#write();
      else await this.#leave();
    });
  }

  /** Ends this process's turn. What it had no turn for is lost, and told. */
  async close(): Promise<void> {
    this.setTurn(false);
    await this.#queue;
    if (this.#waiting.length === 0) return;
    const { path, onProblem } = this.#options;
    const reason = `another process has written it until now: ${this.#waiting.length} records of this one are lost`;
    onProblem(remoeError("HISTORY_UNWRITABLE", { path, reason }));
  }

  /** A record that cannot be written is told and left out. */
  async #write(): Promise<void> {
    if (this.#file === null) return;
    const records = this.#waiting.splice(0);
    for (const record of records) await this.#file.append(record).catch(this.#options.onProblem);
  }

  async #leave(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  #enqueue(step: () => Promise<void>): void {
    this.#queue = this.#queue.then(step).catch(this.#options.onProblem);
  }
}
