import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { benchEngine, type EngineBenchmark } from "../../../bench/engine.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { bundledModel } from "../bundled-model.ts";
import { comparisonHeader, comparisonRow, formatSpeed } from "../describe-comparison.ts";
import { flag } from "../flag.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";
import { formatTable } from "../table.ts";

interface BenchEngineFlags extends ResultFlags {
  readonly model?: string;
  readonly threads?: number;
  readonly rounds: number;
  readonly prompt: string;
  readonly neighbour?: boolean;
}

export function defineBenchEngine(command: Command): void {
  command
    .description("Runs Remoe's engine and libllama on the same file, taking turns in one process, and compares them.")
    .addOption(flag("-m, --model <file>", "model file", { initially: "the bundled tiny-moe" }))
    .addOption(flag("--threads <n>", "threads of both", { parse: wholeNumber(1, 1024), initially: "the processors" }))
    .addOption(flag("--rounds <n>", "turns of each side", { parse: wholeNumber(3, 10_000), initial: 40 }))
    .addOption(flag("--prompt <lengths>", "prompt lengths in tokens", { initial: "32,128,512" }))
    .addOption(flag("--neighbour", "keep one core busy with something else meanwhile"))
    .addOption(outFlag())
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText(
      "after",
      `
Examples:
  remoe bench engine
  remoe bench engine --model olmoe.gguf --rounds 20 --neighbour --json`,
    )
    .action(run);
}

async function run({ model, threads, rounds, prompt, neighbour, out, json }: BenchEngineFlags): Promise<void> {
  const result = await benchEngine({
    model: model ?? bundledModel(),
    threads: threads ?? availableParallelism(),
    rounds,
    promptTokens: prompt.split(",").map((length) => wholeNumber(1, 1023)(length)),
    neighbour: neighbour ?? false,
  });
  writeResult(result, { out, json }, () => describe(result));
}

function describe(result: EngineBenchmark): string {
  const rows = [
    comparisonHeader,
    comparisonRow("decode", result.decode),
    ...result.prefillByLength.map((prefill) => comparisonRow(`prefill ${prefill.tokens}`, prefill)),
  ];
  const { logits, defaultNumerics, machine, load } = result;
  return [
    formatTable(rows),
    `exact numerics: max |Δ logit| ${logits.maxAbsDiff} over ${logits.tokens} tokens, greedy ${logits.greedyEqual ? "equal" : "different"}`,
    `default numerics: KL ${formatSpeed(defaultNumerics.klPerToken.median)} nats a token (median), greedy agreement ${(100 * defaultNumerics.greedyAgreement).toFixed(1)} %`,
    `${result.threads} threads on ${machine.cores} × ${machine.processor}, load average ${load.map((value) => value.toFixed(2)).join(" → ")}${result.neighbour ? ", with a busy neighbour" : ""}`,
    "",
  ].join("\n");
}
