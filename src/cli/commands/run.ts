import { randomInt } from "node:crypto";
import type { Command } from "commander";
import { remoeError } from "../../core/errors.ts";
import type { Prompt } from "../../gateway/prompt.ts";
import { GREEDY, type Sampling } from "../../model/sampling.ts";
import type { Slo } from "../../planner/problem.ts";
import { type Answer, answerPrompt } from "../answer-prompt.ts";
import { collect, decimalNumber, wholeNumber } from "../argument-parsers.ts";
import { describeBill } from "../describe-bill.ts";
import { flag } from "../flag.ts";
import { watchInterruption } from "../interruption.ts";
import { printJson } from "../print-json.ts";
import { readPrompt } from "../read-prompt.ts";
import { describeSlo, judgeSlo } from "../slo.ts";
import { summariseTrace } from "../summarise-trace.ts";
import { startSystem } from "../system.ts";
import { addSystemFlags, type SystemFlags, toSlo, toSystemOptions } from "../system-flags.ts";

interface RunFlags extends SystemFlags {
  readonly raw?: boolean;
  readonly system?: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repeatPenalty: number;
  readonly seed?: number;
  readonly stop: readonly string[];
  readonly json?: boolean;
}

/** The running generation ends at its next token. */
const STOP_DEADLINE_MS = 2000;

export function defineRun(command: Command): void {
  command
    .description("Answers one prompt. The text goes to standard output, everything else to standard error.")
    .argument("[prompt]", "the prompt; `-` or none reads standard input")
    .addOption(flag("--raw", "continue the prompt as text, without the chat template"))
    .addOption(flag("--system <text>", "system message before the prompt"));
  addSystemFlags(command);
  addSamplingFlags(command);
  command
    .addOption(flag("--json", "print one JSON object instead of the text"))
    .addHelpText("after", EXAMPLES)
    .action(run);
}

const EXAMPLES = `
Examples:
  remoe run "Write a hymn about the sea."
  remoe run --remote-ratio 0.5 "Once upon a time"
  remoe run --raw --temperature 0 --max-tokens 32 "def fibonacci(n):"
  echo "Was ist ein Wald?" | remoe run --json --slo-ttft 500ms`;

function addSamplingFlags(command: Command): void {
  const decimal = (flags: string, description: string, initial: number) =>
    command.addOption(flag(flags, description, { parse: decimalNumber, initial }));
  command.addOption(flag("-n, --max-tokens <n>", "most tokens to generate", { parse: wholeNumber(1), initial: 256 }));
  decimal("--temperature <t>", "0 always takes the most probable token", 0.8);
  command.addOption(
    flag("--top-k <k>", "keep the k most probable tokens, 0 keeps all", {
      parse: wholeNumber(0),
      initial: GREEDY.topK,
    }),
  );
  decimal("--top-p <p>", "keep the most probable tokens that sum up to p", 0.95);
  decimal("--min-p <p>", "drop tokens less probable than p times the most probable", GREEDY.minP);
  decimal("--repeat-penalty <factor>", "make recent tokens less probable, 1 does not", GREEDY.repeatPenalty);
  command
    .addOption(flag("--seed <n>", "same seed, same text", { parse: wholeNumber(0), initially: "random" }))
    .addOption(
      flag("--stop <text>", "end before this text (may be repeated)", {
        parse: collect,
        initial: [],
        initially: "none",
      }),
    );
}

async function run(argument: string | undefined, flags: RunFlags): Promise<void> {
  const signal = watchInterruption();
  const prompt = toPrompt(await readPrompt(argument, signal), flags);
  const sampling = toSampling(flags);
  const system = await startSystem(toSystemOptions(flags, false), signal);
  try {
    const { maxTokens, stop, json } = flags;
    const onText = (text: string): void => {
      if (!json) process.stdout.write(text);
    };
    const answer = await answerPrompt(system.pipeline, { prompt, maxTokens, stop, sampling, onText }, signal);
    report(answer, flags, sampling.seed);
  } finally {
    await system.stop(STOP_DEADLINE_MS);
  }
}

function toPrompt(text: string, { raw, system }: RunFlags): Prompt {
  if (raw && system !== undefined) {
    throw remoeError("USAGE_INVALID", {
      problem: "--system needs the chat template, which --raw leaves away",
      command: "remoe run",
    });
  }
  if (raw) return { type: "text", text };
  const before = system === undefined ? [] : [{ role: "system", content: system }];
  return { type: "chat", messages: [...before, { role: "user", content: text }] };
}

function toSampling({ temperature, topK, topP, minP, repeatPenalty, seed = randomInt(2 ** 32) }: RunFlags): Sampling {
  return { ...GREEDY, temperature, topK, topP, minP, repeatPenalty, seed };
}

function report(answer: Answer, flags: RunFlags, seed: number): void {
  const slo = toSlo(flags);
  if (flags.json) {
    printJson(toJson(answer, slo, seed));
    return;
  }
  const { text, trace } = answer;
  if (!text.endsWith("\n")) process.stdout.write("\n");
  const lines = [summariseTrace(trace), ...describeSlo(slo, trace.timings), ...describeBill(trace)];
  process.stderr.write(`${lines.join("\n")}\n`);
}

function toJson({ text, tokens, trace }: Answer, slo: Slo, seed: number): object {
  const { model, promptTokens, completionTokens, finishReason, timings, coldStart, experts } = trace;
  const { plan, planning, bill, faults, peakMemoryMb, prediction } = trace;
  return {
    model,
    text,
    tokens,
    promptTokens,
    completionTokens,
    finishReason,
    seed,
    timings,
    coldStart,
    plan: { placement: plan?.layers.length === 0 ? "local" : "split", ...plan },
    planning,
    bill,
    experts,
    prediction,
    faults,
    peakMemoryMb,
    slo: judgeSlo(slo, timings),
  };
}
