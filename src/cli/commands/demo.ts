import type { Command } from "commander";
import { VERSION } from "../../core/version.ts";
import type { RequestTrace } from "../../gateway/trace.ts";
import { formatMoney } from "../../ledger/format-bill.ts";
import { GREEDY } from "../../model/sampling.ts";
import { type Answer, answerPrompt } from "../answer-prompt.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { describeBill } from "../describe-bill.ts";
import { flag } from "../flag.ts";
import { formatMs } from "../format.ts";
import { heatMap } from "../heat-map.ts";
import { watchInterruption } from "../interruption.ts";
import { serveUntilAborted } from "../serving.ts";
import { summariseTrace } from "../summarise-trace.ts";
import { type System, startSystem } from "../system.ts";
import { formatTable } from "../table.ts";

interface DemoFlags {
  readonly once?: boolean;
  readonly port: number;
}

/** The bundled model has read Shakespeare. */
const PROMPT = `Continue this scene:

KING HENRY:
My sword is sworn to thee and to thy house.

FIRST LORD:
`;
const MAX_TOKENS = 96;
const STOP_DEADLINE_MS = 5000;

export function defineDemo(command: Command): void {
  command
    .description("Answers one prompt with the bundled model, shows what happened, then serves the model.")
    .addOption(flag("--once", "end after the prompt"))
    .addOption(flag("--port <n>", "port to serve on", { parse: wholeNumber(0, 65_535), initial: 8000 }))
    .addHelpText(
      "after",
      `
Examples:
  remoe demo
  remoe demo --once
  npm start -- --port 8080`,
    )
    .action(demo);
}

async function demo({ once, port }: DemoFlags): Promise<void> {
  const signal = watchInterruption();
  say(`Remoe ${VERSION}: starting a main function, and an expert function for half of the experts …`);
  const system = await startSystem({ plan: { remoteRatio: 0.5 } }, signal);
  try {
    const split = await showPrompt(system, signal);
    say(`\n${compare(split, await answerUnsplit(signal))}`);
    if (!once) await serveUntilAborted(system, { port, drainMs: STOP_DEADLINE_MS }, signal);
  } finally {
    await system.stop(STOP_DEADLINE_MS);
  }
}

async function showPrompt(system: System, signal: AbortSignal): Promise<Answer> {
  say(`${system.model.id} is asked: ${PROMPT}`);
  const answered = await answer(system, (text) => process.stdout.write(text), signal);
  process.stdout.write("\n");
  say(`\n${describeTrace(answered.trace)}`);
  return answered;
}

/** The paper's baseline CPU: everything in one function. */
async function answerUnsplit(signal: AbortSignal): Promise<Answer> {
  const system = await startSystem({}, signal);
  try {
    return await answer(system, () => {}, signal);
  } finally {
    await system.stop(STOP_DEADLINE_MS);
  }
}

function answer({ pipeline }: System, onText: (text: string) => void, signal: AbortSignal): Promise<Answer> {
  const prompt = { type: "chat", messages: [{ role: "user", content: PROMPT }] } as const;
  // The seed makes the demonstration the same everywhere.
  const sampling = { ...GREEDY, temperature: 0.7, topP: 0.9, seed: 1 };
  return answerPrompt(pipeline, { prompt, maxTokens: MAX_TOKENS, stop: [], sampling, onText }, signal);
}

function compare(split: Answer, unsplit: Answer): string {
  const row = (name: string, { trace }: Answer): string[] => [
    name,
    `${trace.plan?.specMain.memoryMb} MiB`,
    formatMs(trace.timings.tpotMs ?? 0),
    formatMs(trace.timings.totalMs),
    formatMoney(trace.bill.total, trace.bill.currency),
  ];
  const header = ["the same prompt", "main", "TPOT", "total", "cost"];
  const table = formatTable([header, row("split", split), row("unsplit (baseline CPU)", unsplit)], [1, 2, 3, 4]);
  const isSame = `${split.tokens}` === `${unsplit.tokens}`;
  return (
    `${table}${isSame ? "Both answers are the same, token for token." : "The answers differ: please report it."}\n` +
    "Splitting pays for models larger than this one: see `remoe profile` and `remoe plan --explain`."
  );
}

function describeTrace(trace: RequestTrace): string {
  const { timings, coldStart, activations, experts, promptTokens, completionTokens } = trace;
  const rows = [
    ["cold start", formatMs(coldStart?.totalMs ?? timings.coldStartMs), "main function, before the prompt"],
    ["prefill", formatMs(timings.prefillMs), `${promptTokens} prompt tokens`],
    ["decode", formatMs(timings.decodeMs), `${completionTokens} generated tokens`],
    ["experts", `${experts?.localRows ?? 0} rows`, `local; ${experts?.remoteRows ?? 0} remote`],
  ];
  const used = activations === null ? "" : heatMap(activations);
  return `${summariseTrace(trace)}\n${formatTable(rows)}\nExperts used, darker is more often:\n${used}\n${describeBill(trace).join("\n")}`;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
