import { open } from "node:fs/promises";
import { orUnwritable } from "../history/or-unwritable.ts";
import type { HistoryRecord } from "../history/record.ts";

/** Takes records of requests; a history file is one. */
export interface RecordSink {
  /** @throws HISTORY_UNWRITABLE */
  append(record: HistoryRecord): Promise<void>;
  /** @throws HISTORY_UNWRITABLE */
  close(): Promise<void>;
}

export interface TextSinkOptions {
  /** `append` leaves what is there, `replace` does not. */
  readonly mode: "append" | "replace";
  /** Lines of a record, each with its end. */
  readonly toText: (record: HistoryRecord) => string;
  /** First in the file. */
  readonly header?: string;
}

/**
 * Writes records as text.
 * @throws HISTORY_UNWRITABLE
 */
export async function openTextSink(path: string, { mode, toText, header = "" }: TextSinkOptions): Promise<RecordSink> {
  const file = await orUnwritable(path, () => open(path, mode === "append" ? "a" : "w"));
  const write = (text: string): Promise<void> => orUnwritable(path, () => file.appendFile(text));
  if (header !== "") await write(header);
  return {
    append: (record) => write(toText(record)),
    close: () => orUnwritable(path, () => file.close()),
  };
}
