import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { benchStreams, type StreamsBenchmark } from "../../../bench/streams.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { bundledModel } from "../bundled-model.ts";
import { comparisonHeader, comparisonRow } from "../describe-comparison.ts";
import { flag } from "../flag.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";
import { formatTable } from "../table.ts";

interface BenchStreamsFlags extends ResultFlags {
  readonly model?: string;
  readonly threads?: number;
  readonly rounds: number;
  readonly streams: string;
}

export function defineBenchStreams(command: Command): void {
  command
    .description("Decodes several streams at once with Remoe's engine and with libllama, taking turns in one process.")
    .addOption(flag("-m, --model <file>", "model file", { initially: "the bundled tiny-moe" }))
    .addOption(flag("--threads <n>", "threads of both", { parse: wholeNumber(1, 1024), initially: "the processors" }))
    .addOption(flag("--rounds <n>", "turns of each side", { parse: wholeNumber(3, 10_000), initial: 40 }))
    .addOption(flag("--streams <counts>", "numbers of streams", { initial: "1,4,8" }))
    .addOption(outFlag())
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", "\nExamples:\n  remoe bench streams --model olmoe.gguf --rounds 20 --streams 4,8")
    .action(run);
}

async function run({ model, threads, rounds, streams, out, json }: BenchStreamsFlags): Promise<void> {
  const result = await benchStreams({
    model: model ?? bundledModel(),
    threads: threads ?? availableParallelism(),
    rounds,
    streams: streams.split(",").map((count) => wholeNumber(1, 64)(count)),
  });
  writeResult(result, { out, json }, () => describe(result));
}

function describe({ decode, threads, machine, load }: StreamsBenchmark): string {
  const rows = decode.map((each) => comparisonRow(each.streams === 1 ? "1 stream" : `${each.streams} streams`, each));
  const where = `${threads} threads on ${machine.cores} × ${machine.processor}`;
  return [
    formatTable([comparisonHeader, ...rows]),
    `${where}, load average ${load.map((value) => value.toFixed(2)).join(" → ")}`,
    "",
  ].join("\n");
}
