import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { benchLoad, type LoadBenchmark } from "../../../bench/load.ts";
import type { Spread } from "../../core/stats.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { bundledModel } from "../bundled-model.ts";
import { flag } from "../flag.ts";
import { formatBytes, formatMs } from "../format.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";
import { formatTable } from "../table.ts";

interface BenchLoadFlags extends ResultFlags {
  readonly model?: string;
  readonly threads?: number;
  readonly rounds: number;
}

export function defineBenchLoad(command: Command): void {
  command
    .description("Loads a model with Remoe and with libllama in fresh processes, cold and warm, and compares (Linux).")
    .addOption(flag("-m, --model <file>", "model file", { initially: "the bundled tiny-moe" }))
    .addOption(flag("--threads <n>", "threads of both", { parse: wholeNumber(1, 1024), initially: "the processors" }))
    .addOption(flag("--rounds <n>", "turns of each side", { parse: wholeNumber(1, 1000), initial: 5 }))
    .addOption(outFlag())
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", "\nExamples:\n  remoe bench load\n  remoe bench load --model olmoe.gguf --rounds 3")
    .action(run);
}

async function run({ model, threads, rounds, out, json }: BenchLoadFlags): Promise<void> {
  const options = { model: model ?? bundledModel(), threads: threads ?? availableParallelism(), rounds };
  const result = await benchLoad(options);
  writeResult(result, { out, json }, () => describe(result));
}

function describe({ warm, cold, memory, start }: LoadBenchmark): string {
  const row = (name: string, { remoeMs, llamaMs, ratio }: LoadBenchmark["warm"]): string[] => [
    name,
    formatMs(remoeMs.median),
    formatMs(llamaMs.median),
    ratio.median.toFixed(2),
    quartiles(ratio),
  ];
  const { processMs, librariesMs, weightsMs, firstTokenMs, totalMs } = start;
  return [
    formatTable([["", "Remoe", "libllama", "ratio", "quartiles"], row("warm", warm), row("cold", cold)]),
    `cold: ${(100 * cold.shareOfDirectRead.median).toFixed(0)} % of dd iflag=direct (${quartiles(cold.shareOfDirectRead)})\n`,
    `peak memory: ${formatBytes(memory.remoePeakBytes)}, ${formatBytes(memory.overheadBytes)} over file and cache; libllama ${formatBytes(memory.llamaPeakBytes)}\n`,
    `start: process ${formatMs(processMs)}, libraries ${formatMs(librariesMs)}, weights ${formatMs(weightsMs)}, first token ${formatMs(firstTokenMs)}; together ${formatMs(totalMs)}\n`,
  ].join("");
}

function quartiles({ p25, p75 }: Spread): string {
  return `${p25.toFixed(2)}–${p75.toFixed(2)}`;
}
