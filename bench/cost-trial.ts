import { join } from "node:path";
import { problemBase } from "../src/cli/create-planning.ts";
import { historyIdentity } from "../src/cli/history-identity.ts";
import { toModelProgram } from "../src/cli/model-program.ts";
import { openLearning } from "../src/cli/open-learning.ts";
import { readPrompts } from "../src/cli/read-prompts.ts";
import { readServedModel } from "../src/cli/served-model.ts";
import { remoeError } from "../src/core/errors.ts";
import type { ModelProgram } from "../src/gateway/function-specs.ts";
import { encodePrompt, type Prompt } from "../src/gateway/prompt.ts";
import type { ProblemBase } from "../src/gateway/request-problem.ts";
import { loadNative } from "../src/ggml/library.ts";
import { type GgufFile, readGguf } from "../src/gguf/read.ts";
import { HistoryFile } from "../src/history/history-file.ts";
import type { HistoryRecord } from "../src/history/record.ts";
import type { PriceBook } from "../src/ledger/price-book.ts";
import { TokenEmbeddings } from "../src/model/token-embeddings.ts";
import type { PlanningProblem, Slo } from "../src/planner/problem.ts";
import { commonProblem, forecast } from "./cost-forecast.ts";
import { usualObjectives } from "./cost-objectives.ts";
import { bundledPrompts } from "./predict.ts";
import { readRecords } from "./predict-records.ts";

export interface TrialOptions {
  readonly model: string;
  /** Path of a measured profile. */
  readonly profile: string;
  /** Past requests: a history, or prompts to run first. Defaults to some of the bundled training prompts. */
  readonly history?: string | undefined;
  /** Prompts to be served. Defaults to the bundled test prompts. */
  readonly test?: string | undefined;
  /** Take the first so many past requests. */
  readonly limit?: number | undefined;
  /** Prompts are texts to continue, without the chat template. */
  readonly raw?: boolean | undefined;
  /** Of an answer. */
  readonly maxTokens: number;
  /** How many prompts are served. */
  readonly prompts: number;
  /** Objectives that are `null` are set to usual ones. */
  readonly slo: Slo;
  readonly priceBook: PriceBook;
  /** Whether functions are started for each request; usual objectives include it then. */
  readonly isCold: boolean;
}

/** A model, what its past requests tell, and prompts it has not seen. */
export interface Trial {
  readonly program: ModelProgram;
  /** What one plan for all requests is made for. */
  readonly common: PlanningProblem;
  readonly prompts: readonly TrialPrompt[];
  /** A history file of its own: whoever serves appends to it. */
  readonly history: string;
  readonly pastRequests: number;
}

export interface TrialPrompt {
  readonly prompt: Prompt;
  /** What there is to decide for it before it runs, with functions to be started. */
  readonly problem: PlanningProblem;
}

/** Bundled training prompts that are run where no history is given: more would take minutes. */
const BUNDLED_LIMIT = 400;

/**
 * @param folder for the trial's history
 * @throws PROFILE_*, HISTORY_*, PROMPTS_INVALID, what the engine throws
 */
export async function prepareTrial(options: TrialOptions, folder: string): Promise<Trial> {
  const file = readGguf(options.model);
  const program = toModelProgram(file, {});
  const records = await readPastRequests(file, options);
  const { base, common } = decideObjectives(options, { file, program, records });
  const history = join(folder, "requests.history");
  await writeHistory(history, file, records);
  const prompts = await forecastPrompts(options, { file, program, base, history });
  return { program, common, prompts, history, pastRequests: records.length };
}

async function readPastRequests(file: GgufFile, options: TrialOptions): Promise<HistoryRecord[]> {
  const { history, limit, raw = false, maxTokens } = options;
  const native = loadNative();
  using embeddings = new TokenEmbeddings(native, file);
  return await readRecords(history ?? bundledPrompts("bundle-train.jsonl"), {
    native,
    file,
    identity: await historyIdentity(file),
    embeddings,
    isRaw: raw,
    limit: limit ?? (history === undefined ? BUNDLED_LIMIT : Number.POSITIVE_INFINITY),
    maxTokens,
  });
}

interface Known {
  readonly file: GgufFile;
  readonly program: ModelProgram;
}

function decideObjectives(
  { profile, priceBook, slo, maxTokens, isCold }: TrialOptions,
  { file, program, records }: Known & { readonly records: readonly HistoryRecord[] },
): { readonly base: ProblemBase; readonly common: PlanningProblem } {
  const base = problemBase({ profile, slo }, { file, program, priceBook });
  const common = { ...commonProblem(base, records, maxTokens), isCold };
  const usual = usualObjectives(common);
  const objectives = { ttftMs: slo.ttftMs ?? usual.ttftMs, tpotMs: slo.tpotMs ?? usual.tpotMs };
  return { base: { ...base, slo: objectives }, common: { ...common, slo: objectives } };
}

async function writeHistory(path: string, file: GgufFile, records: readonly HistoryRecord[]): Promise<void> {
  const history = await HistoryFile.open(path, await historyIdentity(file));
  for (const record of records) await history.append(record);
  await history.close();
}

async function forecastPrompts(
  { test, raw, prompts, maxTokens }: TrialOptions,
  { file, program, base, history }: Known & { readonly base: ProblemBase; readonly history: string },
): Promise<TrialPrompt[]> {
  const texts = readTexts(test ?? bundledPrompts("bundle-test.jsonl"), prompts);
  const model = readServedModel(file, file.path, program.contextLength);
  const { learning, close } = await openLearning(file, { path: history, privacy: "full" });
  try {
    const asked = texts.map(
      (text): Prompt => (raw ? { type: "text", text } : { type: "chat", messages: [{ role: "user", content: text }] }),
    );
    return await Promise.all(
      asked.map(async (prompt) => ({
        prompt,
        problem: await forecast(base, encodePrompt(prompt, model), { learning, maxTokens }),
      })),
    );
  } finally {
    await close();
  }
}

function readTexts(path: string, count: number): string[] {
  const texts = readPrompts(path).map(({ prompt }) => prompt);
  if (texts.length >= count) return texts.slice(0, count);
  throw remoeError("PROMPTS_INVALID", { path, problem: `it has ${texts.length} prompts where ${count} are needed` });
}
