import { createLearning, type Learning } from "../gateway/learning.ts";
import type { PlanQuery } from "../gateway/plan-choice.ts";
import { loadNative } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import { DEFAULT_HISTORY_OPTIONS, HistoryFile, type HistoryOptions } from "../history/history-file.ts";
import type { HistoryIdentity } from "../history/identity.ts";
import { readHistory } from "../history/read-history.ts";
import { TokenEmbeddings } from "../model/token-embeddings.ts";
import { countTokens } from "../predictor/count-tokens.ts";
import type { Example } from "../predictor/example.ts";
import { OnlinePredictor } from "../predictor/online-predictor.ts";
import { historyIdentity } from "./history-identity.ts";

export interface HistoryChoice {
  readonly path: string;
  /** `counts` keeps no token ids. */
  readonly privacy: HistoryOptions["privacy"];
}

/** Prediction from a history file, to which every request is added. */
export interface OpenLearning {
  readonly learning: Learning;
  /** The last request, as one to expect again; `null` of an empty history. */
  readonly typical: PlanQuery | null;
  close(): Promise<void>;
}

/** Most tokens of a typical answer, unless similar requests tell. */
const USUAL_ANSWER = 257;
/** Records that a predictor starts from: more would make each prediction slower, not better. */
const MOST_EXAMPLES = 5000;

/**
 * Opens or creates a history and learns from it.
 * @throws HISTORY_*, the signal's reason
 */
export async function openLearning(
  file: GgufFile,
  { path, privacy }: HistoryChoice,
  signal?: AbortSignal,
): Promise<OpenLearning> {
  const identity = historyIdentity(file);
  const history = await HistoryFile.open(path, identity, { ...DEFAULT_HISTORY_OPTIONS, privacy });
  const embeddings = new TokenEmbeddings(loadNative(), file);
  const close = async (): Promise<void> => {
    await history.close();
    embeddings[Symbol.dispose]();
  };
  try {
    const { droppedBytes, skippedRecords } = history.repaired;
    if (droppedBytes > 0) warn(`history ${path}: cut off a damaged end of ${droppedBytes} bytes`);
    if (skippedRecords > 0) warn(`history ${path}: skipped ${skippedRecords} damaged records`);
    const predictor = new OnlinePredictor(identity);
    const examples = await readExamples(path, identity);
    await startPredictor(predictor, examples, signal);
    const learning = createLearning({
      shape: identity,
      predictor,
      embedding: (token) => embeddings.get(token),
      keep: (record) => void history.append(record).catch((error: Error) => warn(error.message)),
      now: Date.now,
      later: setImmediate,
    });
    return { learning, typical: toQuery(examples.at(-1), identity, learning), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function toQuery(last: Example | undefined, identity: HistoryIdentity, learning: Learning): PlanQuery | null {
  if (last === undefined) return null;
  const tokensOf = (pairs: Uint32Array): number => countTokens(pairs, identity, identity.expertsPerToken);
  const expectation = learning.expect("typical", last.tokens);
  return { promptTokens: tokensOf(last.prefill), maxTokens: USUAL_ANSWER, expectation };
}

function warn(text: string): void {
  process.stderr.write(`warning: ${text}\n`);
}

async function readExamples(path: string, identity: HistoryIdentity): Promise<Example[]> {
  const examples: Example[] = [];
  for await (const record of await readHistory(path, identity)) examples.push(record);
  return examples.slice(-MOST_EXAMPLES);
}

/** A step of bounded work at a time: functions start meanwhile. */
async function startPredictor(
  predictor: OnlinePredictor,
  examples: readonly Example[],
  signal?: AbortSignal,
): Promise<void> {
  if (examples.length === 0) return;
  for (const _step of predictor.start(examples)) {
    signal?.throwIfAborted();
    await new Promise((resolve) => setImmediate(resolve));
  }
}
