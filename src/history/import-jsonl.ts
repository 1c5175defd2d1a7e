import { createReadStream } from "node:fs";
import { remoeError } from "../core/errors.ts";
import { toFileError } from "./file-error.ts";
import type { HistoryIdentity } from "./identity.ts";
import { parseJsonLine } from "./jsonl.ts";
import { LIMITS } from "./limits.ts";
import type { HistoryRecord } from "./record.ts";

/**
 * Reads the records of a JSONL file, one after the other; empty lines are passed over.
 * @param identity the model they must belong to
 * @throws HISTORY_UNREADABLE, HISTORY_INVALID, HISTORY_FOREIGN
 */
export async function* importJsonl(path: string, identity: HistoryIdentity): AsyncGenerator<HistoryRecord> {
  let line = 0;
  for await (const text of readLines(path)) {
    line++;
    if (text.trim() !== "") yield parseJsonLine(text, identity, { path, line });
  }
}

async function* readLines(path: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of readChunks(path)) {
    const [first = "", ...others] = chunk.split("\n");
    rest += first;
    if (rest.length > LIMITS.lineCharacters) {
      throw remoeError("HISTORY_INVALID", {
        path,
        problem: `it has a line of over ${LIMITS.lineCharacters} characters`,
      });
    }
    const last = others.pop();
    if (last === undefined) continue;
    yield rest;
    yield* others;
    rest = last;
  }
  yield rest;
}

async function* readChunks(path: string): AsyncGenerator<string> {
  try {
    yield* createReadStream(path, { encoding: "utf8", highWaterMark: 1024 ** 2 });
  } catch (error) {
    throw toFileError("HISTORY_UNREADABLE", path, error);
  }
}
