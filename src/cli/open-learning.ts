import { existsSync } from "node:fs";
import { createLearning, type Learning } from "../gateway/learning.ts";
import type { PlanQuery } from "../gateway/plan-choice.ts";
import { loadNative } from "../ggml/library.ts";
import type { GgufFile } from "../gguf/read.ts";
import { HistoryFile, type HistoryOptions } from "../history/history-file.ts";
import type { HistoryIdentity } from "../history/identity.ts";
import { readHistory } from "../history/read-history.ts";
import type { HistoryDamage } from "../history/scan-history.ts";
import { SharedHistory } from "../history/shared-history.ts";
import { TokenEmbeddings } from "../model/token-embeddings.ts";
import { countTokens } from "../predictor/count-tokens.ts";
import type { Example } from "../predictor/example.ts";
import { OnlinePredictor } from "../predictor/online-predictor.ts";
import { historyIdentity } from "./history-identity.ts";

export interface HistoryChoice {
  readonly path: string;
  /** `counts` keeps no token ids. */
  readonly privacy: HistoryOptions["privacy"];
  /** Who may write, where several gateways share the history. Defaults to this process alone. */
  readonly turns?: Turns | undefined;
}

/** Whether it is this process's turn to write. */
export interface Turns {
  readonly isLeader: boolean;
  onChange(listener: (isLeader: boolean) => void): void;
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
export async function openLearning(file: GgufFile, choice: HistoryChoice, signal?: AbortSignal): Promise<OpenLearning> {
  const identity = await historyIdentity(file);
  const history = await openWriter(choice, identity);
  const embeddings = new TokenEmbeddings(loadNative(), file);
  const close = async (): Promise<void> => {
    await history.close();
    embeddings[Symbol.dispose]();
  };
  try {
    const predictor = new OnlinePredictor(identity);
    const examples = await readExamples(choice, identity);
    await startPredictor(predictor, examples, signal);
    const learning = createLearning({
      shape: identity,
      predictor,
      embeddingsOf: (tokens) => embeddings.of(tokens),
      keep: (record) => history.append(record),
      now: Date.now,
      later: setImmediate,
    });
    return { learning, typical: await toQuery(examples.at(-1), identity, learning), close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Writer = Pick<SharedHistory, "append" | "close">;

async function openWriter({ path, privacy, turns }: HistoryChoice, identity: HistoryIdentity): Promise<Writer> {
  const open = async (): Promise<HistoryFile> => {
    const file = await HistoryFile.open(path, identity, { privacy, takesOver: turns !== undefined });
    warnOfDamage(path, file.repaired);
    return file;
  };
  const onProblem = ({ message }: Error): void => warn(message);
  if (turns === undefined) {
    const file = await open();
    return { append: (record) => void file.append(record).catch(onProblem), close: () => file.close() };
  }
  const shared = new SharedHistory({ path, open, onProblem });
  turns.onChange((isLeader) => shared.setTurn(isLeader));
  shared.setTurn(turns.isLeader);
  return shared;
}

function warnOfDamage(path: string, { droppedBytes, skippedRecords }: HistoryDamage): void {
  if (droppedBytes > 0) warn(`history ${path}: cut off a damaged end of ${droppedBytes} bytes`);
  if (skippedRecords > 0) warn(`history ${path}: skipped ${skippedRecords} damaged records`);
}

async function toQuery(
  last: Example | undefined,
  identity: HistoryIdentity,
  learning: Learning,
): Promise<PlanQuery | null> {
  if (last === undefined) return null;
  const tokensOf = (pairs: Uint32Array): number => countTokens(pairs, identity, identity.expertsPerToken);
  const expectation = await learning.expect("typical", last.tokens);
  return { promptTokens: tokensOf(last.prefill), maxTokens: USUAL_ANSWER, expectation };
}

function warn(text: string): void {
  process.stderr.write(`warning: ${text}\n`);
}

async function readExamples({ path, turns }: HistoryChoice, identity: HistoryIdentity): Promise<Example[]> {
  const examples: Example[] = [];
  // Whose turn it is to write makes it, perhaps in a moment.
  if (turns !== undefined && !existsSync(path)) return examples;
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
