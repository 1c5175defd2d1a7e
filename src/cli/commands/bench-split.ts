import { type Command, InvalidArgumentError } from "commander";
import { benchSplit, type SplitBenchmark, type SplitBenchOptions } from "../../../bench/split.ts";
import type { Spread } from "../../core/stats.ts";
import { share, wholeNumber } from "../argument-parsers.ts";
import { flag } from "../flag.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";
import { formatTable } from "../table.ts";

interface BenchSplitFlags extends SplitBenchOptions, ResultFlags {}

export function defineBenchSplit(command: Command): void {
  command
    .description("Decodes with experts in other functions and with all in one, on as many processors, and compares.")
    .addOption(flag("-m, --model <file>", "model file", { initially: "the bundled tiny-moe" }))
    .addOption(
      flag("--ratio <b>", "share of each layer's experts that is remote", { parse: positiveShare, initial: 0.5 }),
    )
    .addOption(
      flag("--expert-functions <n>", "functions that the remote experts are spread over", {
        parse: wholeNumber(1),
        initially: "as many as have more weights than a process costs",
      }),
    )
    .addOption(flag("--tokens <n>", "tokens of an answer", { parse: wholeNumber(2, 900), initial: 64 }))
    .addOption(flag("--rounds <n>", "answers of each side", { parse: wholeNumber(1, 1000), initial: 10 }))
    .addOption(outFlag())
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText(
      "after",
      "\nExamples:\n  remoe bench split\n  remoe bench split --model olmoe.gguf --expert-functions 4",
    )
    .action(run);
}

function positiveShare(text: string): number {
  if (share(text) > 0) return share(text);
  throw new InvalidArgumentError("Give a number above 0, at most 1.");
}

async function run({ out, json, ...options }: BenchSplitFlags): Promise<void> {
  const result = await benchSplit(options);
  writeResult(result, { out, json }, () => describe(result));
}

/** Microseconds a layer with remote rows may cost more than without. */
const TARGET_US = 150;

function describe(result: SplitBenchmark): string {
  const { tokenMs, overheadUs, predicted, functions, machine, load } = result;
  const { overLocal, overOneThread } = overheadUs;
  const ms = ({ median }: Spread): string => median.toFixed(3);
  const us = (value: number): string => value.toFixed(0);
  const table = formatTable(
    [
      ["", "ms/token", "split costs more, µs a remote layer", "quartiles", "predicted"],
      [
        "one function, 2 threads",
        ms(tokenMs.local),
        us(overLocal.median),
        quartiles(overLocal),
        us(predicted.overLocalUs),
      ],
      [
        "one function, 1 thread",
        ms(tokenMs.oneThread),
        us(overOneThread.median),
        quartiles(overOneThread),
        us(predicted.overOneThreadUs),
      ],
      ["split, 1 thread each", ms(tokenMs.split), "", "", `${predicted.tokenMs.toFixed(3)} ms/token`],
    ],
    [1, 2],
  );
  return [
    table,
    `${overLocal.median <= TARGET_US ? "holds" : "fails"}: at most ${TARGET_US} µs a remote layer over 2 threads in one function`,
    `${result.remoteLayersPerToken.toFixed(2)} layers a token have remote rows, ${(100 * result.remoteShare).toFixed(0)} % of rows are remote, tokens ${result.identical ? "identical" : "DIFFERENT"}`,
    `formula: empty call ${us(predicted.emptyCallUs)} µs, experts of a token and layer ${us(predicted.expertUs.at(-1) ?? 0)} µs on one thread`,
    `memory in MiB: ${functions.localMb}, ${functions.oneThreadMb}, ${functions.splitMainMb} and experts ${functions.expertMb.join(", ")}; ${machine.cores} × ${machine.processor}, load average ${load.map((value) => value.toFixed(2)).join(" → ")}`,
    "",
  ].join("\n");
}

function quartiles({ p25, p75 }: Spread): string {
  return `${p25.toFixed(0)}–${p75.toFixed(0)}`;
}
