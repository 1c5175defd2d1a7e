import type { Command } from "commander";
import { benchColdStart, type ColdStartBenchmark } from "../../../bench/coldstart.ts";
import { toColdStartChart } from "../../../bench/coldstart-chart.ts";
import type { ColdStartComparison } from "../../../bench/coldstart-summary.ts";
import { methodLabel } from "../../../bench/cost-methods.ts";
import { renderChart } from "../../../bench/plot.ts";
import { outputFile, wholeNumber } from "../argument-parsers.ts";
import { flag } from "../flag.ts";
import { formatMs } from "../format.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";
import { formatTable } from "../table.ts";
import { addTrialFlags, type TrialFlags, toTrial } from "../trial-flags.ts";
import { writeOutput } from "../write-output.ts";

interface BenchColdStartFlags extends TrialFlags, ResultFlags {
  readonly starts: number;
  readonly plot?: string;
}

export function defineBenchColdStart(command: Command): void {
  command.description(
    "Compares how long the functions of different methods take to start, and where that time goes: modelled on the " +
      "hardware of Remoe's paper, and with --profile measured on this machine.",
  );
  addTrialFlags(command)
    .addOption(flag("--starts <n>", "starts of each method", { parse: wholeNumber(1, 1000), initial: 7 }))
    .addOption(flag("--plot <file>", "also draw the times (SVG)", { parse: outputFile }))
    .addOption(outFlag())
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", EXAMPLES)
    .action(run);
}

const EXAMPLES = `
Examples:
  remoe bench coldstart --plot coldstart.svg
  remoe bench coldstart --profile profile.json --methods cpu,all-remote,remoe`;

async function run({ starts, plot, out, json, ...flags }: BenchColdStartFlags): Promise<void> {
  const result = await benchColdStart({ ...toTrial(flags), starts });
  writeResult(result, { out, json }, () => describe(result));
  if (plot !== undefined) writeOutput(plot, renderChart(toColdStartChart([...result.measured, ...result.modelled])));
}

function describe({ measured, modelled }: ColdStartBenchmark): string {
  return [...measured, ...modelled].map(comparison).join("\n");
}

function comparison(result: ColdStartComparison): string {
  const { kind, machine, model, starts, methods, reference, reductionVsMix } = result;
  const rows = Object.entries(methods).map(([name, start]) => {
    if (start === null) return [methodLabel(name), "not here"];
    const { containerMs, loadMs, remoteMs, calculateMs, totalMs, mainMb, remoteExperts } = start;
    const times = [containerMs, loadMs, remoteMs, calculateMs, totalMs].map(formatMs);
    return [methodLabel(name), ...times, `${mainMb} MiB`, String(remoteExperts)];
  });
  const head = ["", "container", "weights", "experts meanwhile", "calculate", "until ready", "main", "remote experts"];
  const reduction = reductionVsMix === null ? "" : `${(100 * reductionVsMix).toFixed(1)} %`;
  return [
    `${kind}: ${model} on ${machine}, medians of ${starts} starts\n\n`,
    formatTable([head, ...rows], [1, 2, 3, 4, 5, 6, 7]),
    reduction === "" ? "" : `Remoe starts ${reduction} sooner than ${methodLabel(reference)}\n`,
  ].join("");
}
