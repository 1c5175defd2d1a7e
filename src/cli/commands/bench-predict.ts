import type { Command } from "commander";
import { renderChart } from "../../../bench/plot.ts";
import { benchPredict, type PredictBenchmark } from "../../../bench/predict.ts";
import { CONTENDER_LABELS, toChart } from "../../../bench/predict-chart.ts";
import { CONTENDERS } from "../../../bench/predict-contenders.ts";
import type { Estimate } from "../../../bench/predict-estimate.ts";
import type { RemoteShare } from "../../../bench/predict-placement.ts";
import { outputFile, wholeNumber } from "../argument-parsers.ts";
import { bundledModel } from "../bundled-model.ts";
import { flag } from "../flag.ts";
import { formatCount, formatMs } from "../format.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";
import { formatTable } from "../table.ts";
import { writeOutput } from "../write-output.ts";

interface BenchPredictFlags extends ResultFlags {
  readonly model?: string;
  readonly history?: string;
  readonly test?: string;
  readonly raw?: boolean;
  readonly limit?: number;
  readonly plot?: string;
}

export function defineBenchPredict(command: Command): void {
  command
    .description(
      "Compares predictors of expert activations: how far off they are (base-2 Jensen–Shannon divergence), what that " +
        "leaves remote, and how long they take.",
    )
    .addOption(flag("-m, --model <file>", "model file", { initially: "the bundled tiny-moe" }))
    .addOption(
      flag("--history <file>", "to learn from: a history, or prompts to run first (JSONL)", {
        initially: "the bundled training prompts",
      }),
    )
    .addOption(
      flag("--test <file>", "to be predicted: prompts to run (JSONL), or a history", {
        initially: "the bundled test prompts",
      }),
    )
    .addOption(flag("--raw", "prompts are text to continue, without the chat template"))
    .addOption(
      flag("--limit <n>", "take the first n prompts of each file", { parse: wholeNumber(1), initially: "all" }),
    )
    .addOption(flag("--plot <file>", "also draw the divergences (SVG)", { parse: outputFile }))
    .addOption(outFlag())
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", EXAMPLES)
    .action(run);
}

const EXAMPLES = `
Examples:
  remoe bench predict --raw --plot predict.svg
  remoe bench predict --history served.history --test prompts.jsonl`;

async function run({ model, out, plot, json, ...options }: BenchPredictFlags): Promise<void> {
  const result = await benchPredict({ model: model ?? bundledModel(), ...options });
  writeResult(result, { out, json }, () => describe(result));
  if (plot !== undefined) writeOutput(plot, renderChart(toChart(result)));
}

function describe(result: PredictBenchmark): string {
  return [divergences(result), domains(result), placements(result), times(result)].join("\n");
}

function divergences({ prompts, estimates, overSps, build, query, layers, halves }: PredictBenchmark): string {
  const rows = CONTENDERS.map((name) => [
    CONTENDER_LABELS[name],
    estimates[name].mean.toFixed(4),
    interval(estimates[name]),
    percent(overSps[name].mean / estimates.sps.mean),
    formatMs(build[`${name}Ms`]),
    query[`${name}Us`].toFixed(0),
    layers[name].map((layer) => layer.toFixed(3)).join(" "),
  ]);
  const { history, test } = prompts;
  return [
    `${formatCount(test.prompts)} prompts, after ${formatCount(history.prompts)} others:\n`,
    formatTable([["", "divergence", "95 %", "over SPS", "built", "query µs", "by layer"], ...rows], [1, 3, 4, 5]),
    halves === null
      ? ""
      : `a prompt's even tokens from its odd ones: ${halves.mean.toFixed(4)} (${interval(halves)})\n`,
  ].join("");
}

function domains({ domains: all }: PredictBenchmark): string {
  const rows = all.map(({ domain, prompts, estimates: { sps, best } }) => [
    domain,
    formatCount(prompts),
    sps.mean.toFixed(4),
    interval(sps),
    best.mean.toFixed(4),
    interval(best),
  ]);
  return formatTable([["domain", "prompts", "SPS", "95 %", "Remoe", "95 %"], ...rows], [1, 2, 4]);
}

function placements({ placement }: PredictBenchmark): string {
  const cell = ({ touched, rows }: RemoteShare): string => `${percent(touched)} / ${percent(rows)}`;
  const rows = placement.map(({ local, popularity, sps, best, truth }) => [
    String(local),
    ...[popularity, sps, best, truth].map(cell),
  ]);
  return [
    "tokens and layers that call remote experts / rows that are remote, by what chooses the local experts:\n",
    formatTable([["local", "popularity", "SPS", "Remoe", "the truth"], ...rows], [0, 1, 2, 3, 4]),
  ].join("");
}

function times({ query, bruteForce, machine }: PredictBenchmark): string {
  return [
    `the definition's brute force: ${formatMs(query.definitionUs / 1e3)} a query, SPS ${(query.definitionUs / query.spsUs).toFixed(0)} times faster`,
    `closed form over ${formatCount(bruteForce.prompts)} prompts: ${formatMs(bruteForce.ms)}`,
    `${machine.cores} × ${machine.processor}`,
    "",
  ].join("\n");
}

function interval({ low, high }: Estimate): string {
  return `${low.toFixed(4)}–${high.toFixed(4)}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
