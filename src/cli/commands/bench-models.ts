import { availableParallelism } from "node:os";
import type { Command } from "commander";
import { benchModels, type ModelsBenchmark } from "../../../bench/models.ts";
import { SYNTH_QUANTS, type SynthQuantName } from "../../model/synth/quants.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { flag } from "../flag.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";

interface BenchModelsFlags extends ResultFlags {
  readonly quant?: SynthQuantName;
  readonly threads?: number;
  readonly rounds: number;
}

export function defineBenchModels(command: Command): void {
  const quants = Object.keys(SYNTH_QUANTS);
  command
    .description(
      "Checks every architecture in every quantisation on small files with random weights: against libllama bit for bit, " +
        "and with experts in other functions. Then compares speed on layers of published widths. Takes some minutes.",
    )
    .addOption(flag("--quant <type>", "check this quantisation only", { choices: quants, initially: "all" }))
    .addOption(flag("--threads <n>", "threads of both", { parse: wholeNumber(1, 1024), initially: "the processors" }))
    .addOption(flag("--rounds <n>", "turns of each side; 0 for no speed", { parse: wholeNumber(0, 1000), initial: 12 }))
    .addOption(outFlag())
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText(
      "after",
      `
Examples:
  remoe bench models --quant Q4_K_M --rounds 0
  remoe bench models --out models.json`,
    )
    .action(run);
}

async function run({ quant, threads, rounds, out, json }: BenchModelsFlags): Promise<void> {
  const result = await benchModels({
    quants: quant === undefined ? (Object.keys(SYNTH_QUANTS) as SynthQuantName[]) : [quant],
    threads: threads ?? availableParallelism(),
    rounds,
    onProgress: (line) => void process.stderr.write(`${line}\n`),
  });
  writeResult(result, { out, json }, () => describe(result));
}

function describe({ checked }: ModelsBenchmark): string {
  const files = checked.flatMap(({ problems }) => Object.values(problems));
  const good = files.filter((problems) => problems.length === 0).length;
  return `${good} of ${files.length} files load, compute what their oracle does, and the same wherever experts are\n`;
}
