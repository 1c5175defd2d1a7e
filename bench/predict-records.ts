import { closeSync, openSync, readSync } from "node:fs";
import { availableParallelism } from "node:os";
import { createProgress, type Progress } from "../src/cli/progress.ts";
import { readPrompts } from "../src/cli/read-prompts.ts";
import { chooseContext, readServedModel } from "../src/cli/served-model.ts";
import { tracePrompts } from "../src/cli/trace-prompts.ts";
import { remoeError } from "../src/core/errors.ts";
import { Engine } from "../src/engine/engine.ts";
import type { Native } from "../src/ggml/library.ts";
import type { GgufFile } from "../src/gguf/read.ts";
import { toFileError } from "../src/history/file-error.ts";
import type { HistoryIdentity } from "../src/history/identity.ts";
import { readHistory } from "../src/history/read-history.ts";
import type { HistoryRecord } from "../src/history/record.ts";
import { isSmallModel } from "../src/model/architecture.ts";
import { readTransformer } from "../src/model/registry.ts";
import type { TokenEmbeddings } from "../src/model/token-embeddings.ts";

export interface RecordOptions {
  readonly native: Native;
  readonly file: GgufFile;
  readonly identity: HistoryIdentity;
  readonly embeddings: TokenEmbeddings;
  /** Prompts are texts to continue, without the chat template. */
  readonly isRaw: boolean;
  /** Take the first so many. */
  readonly limit: number;
  /** Of the answers to prompts that are run. Defaults to none. */
  readonly maxTokens?: number;
}

/**
 * What prompts activate: read from a history, or found out by running a file of prompts.
 * @throws HISTORY_FOREIGN for a history of another model; HISTORY_INVALID also when there is nothing in it;
 *   HISTORY_UNREADABLE, PROMPTS_INVALID, what the engine throws
 */
export async function readRecords(path: string, options: RecordOptions): Promise<HistoryRecord[]> {
  const progress = createProgress();
  const records: HistoryRecord[] = [];
  for await (const record of isPromptFile(path) ? run(path, options, progress) : recall(path, options, progress)) {
    records.push(record);
    progress.show(`${path}: ${records.length}`);
    if (records.length === options.limit) break;
  }
  progress.end();
  if (records.length === 0) throw remoeError("HISTORY_INVALID", { path, problem: "it holds nothing to compare with" });
  return records;
}

/** Prompts are JSON objects; a history starts otherwise. */
function isPromptFile(path: string): boolean {
  try {
    const descriptor = openSync(path, "r");
    const start = Buffer.alloc(64);
    const bytes = readSync(descriptor, start);
    closeSync(descriptor);
    return /^\s*(\{|$)/.test(start.toString("utf8", 0, bytes));
  } catch (error) {
    throw toFileError("HISTORY_UNREADABLE", path, error);
  }
}

async function* recall(path: string, { identity }: RecordOptions, progress: Progress): AsyncGenerator<HistoryRecord> {
  const history = await readHistory(path, identity);
  yield* history;
  const { skippedRecords, droppedBytes } = history.damage;
  if (skippedRecords + droppedBytes === 0) return;
  progress.note(`${path}: ${skippedRecords} records unreadable, ${droppedBytes} bytes torn at the end`);
}

async function* run(path: string, options: RecordOptions, progress: Progress): AsyncGenerator<HistoryRecord> {
  const { native, file, embeddings, isRaw, limit, maxTokens = 0 } = options;
  const prompts = readPrompts(path).slice(0, limit);
  const hyper = readTransformer(file).hyper;
  const contextLength = chooseContext(hyper.contextLength, undefined);
  const threads = isSmallModel(hyper) ? 1 : availableParallelism();
  using engine = await Engine.load(native, file, { contextLength, threads });
  yield* tracePrompts(prompts, {
    engine,
    model: readServedModel(file, file.path, contextLength),
    embeddings,
    isRaw,
    maxTokens,
    now: Date.now,
    onSkip: ({ line }, reason) => progress.note(`${path}: line ${line} skipped: ${reason}`),
    signal: new AbortController().signal,
  });
}
