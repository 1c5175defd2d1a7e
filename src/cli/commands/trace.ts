import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { Engine } from "../../engine/engine.ts";
import { loadNative } from "../../ggml/library.ts";
import { openModel } from "../../gguf/open-model.ts";
import type { GgufFile } from "../../gguf/read.ts";
import { DEFAULT_HISTORY_OPTIONS, HistoryFile } from "../../history/history-file.ts";
import type { HistoryIdentity } from "../../history/identity.ts";
import { toJsonLine } from "../../history/jsonl.ts";
import { isSmallModel } from "../../model/architecture.ts";
import { readTransformer } from "../../model/registry.ts";
import { TokenEmbeddings } from "../../model/token-embeddings.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { bundledModel } from "../bundled-model.ts";
import { flag } from "../flag.ts";
import { formatCount } from "../format.ts";
import { historyIdentity } from "../history-identity.ts";
import { watchInterruption } from "../interruption.ts";
import { printJson } from "../print-json.ts";
import { createProgress } from "../progress.ts";
import { type FilePrompt, readPrompts } from "../read-prompts.ts";
import { openTextSink, type RecordSink } from "../record-sink.ts";
import { chooseContext, readServedModel } from "../served-model.ts";
import { tracePrompts } from "../trace-prompts.ts";

interface TraceFlags {
  readonly prompts: string;
  readonly out: string;
  readonly format: "binary" | "jsonl";
  readonly model?: string;
  readonly context?: number;
  readonly threads?: number;
  readonly raw?: boolean;
  readonly maxTokens: number;
  readonly limit?: number;
  readonly json?: boolean;
}

export function defineTrace(command: Command): void {
  command
    .description(
      "Runs the prompts of a file through a model and appends what each activates to a history. Prompts that do not " +
        "fit the context are skipped with a warning. Ctrl-C keeps what is written.",
    )
    .addOption(
      flag("--prompts <file>", "JSON objects, one a line: prompt, and if known id and domain", { required: true }),
    )
    .addOption(flag("-o, --out <file>", "history to append to", { required: true }))
    .addOption(flag("--format <form>", "form of the history", { choices: ["binary", "jsonl"], initial: "binary" }))
    .addOption(flag("-m, --model <file>", "path or URL of a model file (GGUF)", { initially: "the bundled tiny-moe" }))
    .addOption(
      flag("--context <tokens>", "tokens that prompt and answer share", {
        parse: wholeNumber(1),
        initially: "the model's own, at most 4096",
      }),
    )
    .addOption(
      flag("--threads <n>", "threads that compute", {
        parse: wholeNumber(1, 1024),
        initially: "the machine's processors, 1 for a small model",
      }),
    )
    .addOption(flag("--raw", "prompts are text to continue, without the chat template"))
    .addOption(
      flag("-n, --max-tokens <n>", "most tokens to generate after each prompt, 0 computes prompts only", {
        parse: wholeNumber(0),
        initial: 0,
      }),
    )
    .addOption(flag("--limit <n>", "run the first n prompts only", { parse: wholeNumber(1), initially: "all" }))
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", EXAMPLES)
    .action(trace);
}

const EXAMPLES = `
Examples:
  remoe trace --prompts prompts.jsonl --out prompts.history
  remoe trace --prompts prompts.jsonl --out answers.history --max-tokens 64
  remoe trace --raw --prompts prompts.jsonl --out traced.jsonl --format jsonl --limit 100`;

async function trace(flags: TraceFlags): Promise<void> {
  const prompts = readPrompts(flags.prompts).slice(0, flags.limit);
  const file = await openModel(flags.model ?? bundledModel());
  const identity = await historyIdentity(file);
  const signal = watchInterruption();
  const sink = await openSink(flags, identity, prompts.length);
  try {
    const totals = await record(prompts, file, { flags, sink, signal });
    report(totals, identity, flags);
  } finally {
    await sink.close();
  }
}

interface Totals {
  prompts: number;
  skipped: number;
  tokens: number;
}

interface Recording {
  readonly flags: TraceFlags;
  readonly sink: RecordSink;
  readonly signal: AbortSignal;
}

async function record(
  prompts: readonly FilePrompt[],
  file: GgufFile,
  { flags, sink, signal }: Recording,
): Promise<Totals> {
  const native = loadNative();
  const { maxTokens, raw: isRaw = false } = flags;
  const hyper = readTransformer(file).hyper;
  const contextLength = chooseContext(hyper.contextLength, flags.context);
  // Threads of a small model gain little, and wait for each other whenever the machine has something else to do.
  const threads = flags.threads ?? (isSmallModel(hyper) ? 1 : availableParallelism());
  using engine = await Engine.load(native, file, { contextLength, threads });
  using embeddings = new TokenEmbeddings(native, file);
  const model = readServedModel(file, file.path, contextLength);
  const progress = createProgress();
  const totals: Totals = { prompts: 0, skipped: 0, tokens: 0 };
  const onSkip = ({ line }: FilePrompt, reason: string): void => {
    totals.skipped++;
    progress.note(`line ${line} skipped: ${reason}`);
  };
  const options = { engine, model, embeddings, isRaw, maxTokens, now: Date.now, onSkip, signal };
  for await (const traced of tracePrompts(prompts, options)) {
    await sink.append(traced);
    totals.prompts++;
    totals.tokens += traced.tokens.length;
    progress.show(`${formatCount(totals.prompts + totals.skipped)} of ${formatCount(prompts.length)} prompts`);
  }
  progress.end();
  return totals;
}

/** A history made on purpose keeps every prompt it is made from. */
async function openSink({ out, format }: TraceFlags, identity: HistoryIdentity, prompts: number): Promise<RecordSink> {
  if (format === "jsonl") {
    return openTextSink(out, { mode: "append", toText: (traced) => `${toJsonLine(traced, identity)}\n` });
  }
  const { limits } = DEFAULT_HISTORY_OPTIONS;
  return HistoryFile.open(out, identity, {
    limits: { maxRecords: Math.max(limits.maxRecords, prompts), maxBytes: Number.POSITIVE_INFINITY },
  });
}

function report({ prompts, skipped, tokens }: Totals, { layers, experts }: HistoryIdentity, flags: TraceFlags): void {
  const { out, format, json } = flags;
  if (json) {
    printJson({ prompts, tokens, layers, experts, skipped, out, format });
    return;
  }
  const traced = `${formatCount(prompts)} prompts of ${formatCount(tokens)} tokens`;
  const left = skipped === 0 ? "" : `, ${formatCount(skipped)} skipped`;
  process.stderr.write(`${out}: ${traced}, ${layers} layers of ${experts} experts${left}\n`);
}
