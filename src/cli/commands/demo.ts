import type { Command } from "commander";
import { VERSION } from "../../core/version.ts";
import type { RequestTrace } from "../../gateway/trace.ts";
import { GREEDY } from "../../model/sampling.ts";
import { answerPrompt } from "../answer-prompt.ts";
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
    await showPrompt(system, signal);
    if (!once) await serveUntilAborted(system, { port, drainMs: STOP_DEADLINE_MS }, signal);
  } finally {
    await system.stop(STOP_DEADLINE_MS);
  }
}

async function showPrompt({ pipeline, model }: System, signal: AbortSignal): Promise<void> {
  say(`${model.id} is asked: ${PROMPT}`);
  const request = {
    prompt: { type: "chat", messages: [{ role: "user", content: PROMPT }] },
    maxTokens: MAX_TOKENS,
    stop: [],
    // The seed makes the demonstration the same everywhere.
    sampling: { ...GREEDY, temperature: 0.7, topP: 0.9, seed: 1 },
    onText: (text: string) => process.stdout.write(text),
  } as const;
  const { trace } = await answerPrompt(pipeline, request, signal);
  process.stdout.write("\n");
  say(`\n${describeTrace(trace)}`);
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
