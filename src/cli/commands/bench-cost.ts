import type { Command } from "commander";
import { benchCost, type CostBenchmark } from "../../../bench/cost.ts";
import { toCostChart, toRatioChart } from "../../../bench/cost-chart.ts";
import type { MeasuredCosts } from "../../../bench/cost-measured.ts";
import { methodLabel } from "../../../bench/cost-methods.ts";
import type { CostComparison, PredictionError, PredictionErrors, Repeatability } from "../../../bench/cost-summary.ts";
import { renderChart } from "../../../bench/plot.ts";
import { formatMoney } from "../../ledger/format-bill.ts";
import { outputFile, wholeNumber } from "../argument-parsers.ts";
import { flag } from "../flag.ts";
import { formatMs } from "../format.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";
import { formatTable } from "../table.ts";
import { addTrialFlags, type TrialFlags, toTrial } from "../trial-flags.ts";
import { writeOutput } from "../write-output.ts";

interface BenchCostFlags extends TrialFlags, ResultFlags {
  readonly requests: number;
  readonly plot?: string;
  readonly plotRatios?: string;
}

export function defineBenchCost(command: Command): void {
  command.description(
    "Compares what requests cost with different methods: modelled on the hardware of Remoe's paper, and with --profile " +
      "measured on this machine, where each method is a system of its own with all its functions.",
  );
  addTrialFlags(command)
    .addOption(flag("--requests <n>", "requests of each method", { parse: wholeNumber(1, 10_000), initial: 50 }))
    .addOption(flag("--plot <file>", "also draw the costs (SVG)", { parse: outputFile }))
    .addOption(
      flag("--plot-ratios <file>", "also draw modelled costs over lengths of prompt and answer (SVG)", {
        parse: outputFile,
      }),
    )
    .addOption(outFlag())
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", EXAMPLES)
    .action(run);
}

const EXAMPLES = `
Examples:
  remoe bench cost --plot cost.svg --plot-ratios ratios.svg
  remoe bench cost --profile profile.json --raw --methods cpu,all-remote,paper,remoe`;

async function run({ requests, plot, plotRatios, out, json, ...flags }: BenchCostFlags): Promise<void> {
  const result = await benchCost({ ...toTrial(flags), requests });
  writeResult(result, { out, json }, () => describe(result));
  if (plot !== undefined) writeOutput(plot, renderChart(toCostChart([...result.measured, ...result.modelled])));
  if (plotRatios !== undefined) writeOutput(plotRatios, renderChart(toRatioChart(result.ratios)));
}

function describe({ measured, modelled, ratios }: CostBenchmark): string {
  return [
    ...measured.flatMap((each) => [comparison(each), errors(each), ...repeatability(each)]),
    ...modelled.map(comparison),
    ratioTable(ratios),
  ].join("\n");
}

function comparison(result: CostComparison): string {
  const { kind, machine, model, priceBook, currency, requests, workload, objectives, methods, savings } = result;
  const rows = Object.entries(methods).map(([name, cost]) => {
    if (cost === null) return [methodLabel(name), "not here"];
    return [
      methodLabel(name),
      ...[cost.mean, cost.p50, cost.max].map((value) => formatMoney(value, currency)),
      percent(savings[name]),
      formatMs(cost.ttftMs),
      formatMs(cost.tpotMs),
      `${percent(cost.met)} / ${percent(cost.feasible)}`,
      `${cost.mainMb} MiB`,
      String(cost.remoteExperts),
    ];
  });
  const head = ["", "mean", "p50", "max", "Remoe saves", "TTFT", "TPOT", "met / feasible", "main", "remote experts"];
  const limits = `TTFT ${limit(objectives.ttftMs)}, TPOT ${limit(objectives.tpotMs)}`;
  return [
    `${kind}: ${model} on ${machine}, prices of ${priceBook}\n`,
    `${requests} requests of about ${workload.promptTokens} and ${workload.outputTokens} tokens; objectives: ${limits}\n\n`,
    formatTable([head, ...rows], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    describeSaving(result),
  ].join("");
}

function describeSaving({ savingVsBest, savingVsWorst }: CostComparison): string {
  if (savingVsBest === null) return "no other method keeps the objectives\n";
  return `Remoe saves ${percent(savingVsBest)} over the cheapest and ${percent(savingVsWorst)} over the dearest that keeps the objectives\n`;
}

function limit(ms: number | null): string {
  return ms === null ? "none" : formatMs(ms);
}

function errors({ errors: all, methods, ...result }: MeasuredCosts): string {
  const { calculateMs, identical, warmUp, pastRequests, load } = result;
  const rows = Object.entries(all).flatMap(([name, { warm, cold }]) => [
    ...(warm === null ? [] : [[methodLabel(name), "warm", ...errorCells(warm)]]),
    ...(cold === null ? [] : [[methodLabel(name), "cold", ...errorCells(cold)]]),
  ]);
  const kept = methods["remoe"]?.metWhenFeasible ?? null;
  const head = [
    "predictions off by",
    "",
    "requests",
    "cost",
    "cost by length",
    "TTFT median",
    "mean",
    "TPOT median",
    "mean",
  ];
  return [
    formatTable([head, ...rows], [2, 3, 4, 5, 6, 7, 8]),
    kept === null ? "" : `Remoe met both objectives in ${percent(kept)} of the requests it called feasible\n`,
    calculateMs === null
      ? ""
      : `prediction and plan take ${formatMs(calculateMs.median)}, at most ${formatMs(calculateMs.max)}\n`,
    `tokens ${identical ? "identical" : "DIFFERENT"}; ${pastRequests} past requests, ${warmUp} of each method to warm up, load average ${load.map((value) => value.toFixed(2)).join(" → ")}\n`,
  ].join("");
}

function errorCells({ requests, cost, costOfLength, ttft, tpot }: PredictionErrors): string[] {
  const shares = [cost?.median, costOfLength?.median, ...both(ttft), ...both(tpot)];
  return [String(requests), ...shares.map(percent)];
}

/** Nothing where every method plans each request anew. */
function repeatability({ repeatability: all }: MeasuredCosts): string[] {
  const rows = Object.entries(all).map(([name, { requests, cost, ttft, tpot }]: [string, Repeatability]) => [
    methodLabel(name),
    String(requests),
    ...[cost?.median, ...both(ttft), ...both(tpot)].map(percent),
  ]);
  const head = ["one request again, off its median by", "times", "cost", "TTFT median", "mean", "TPOT median", "mean"];
  return rows.length === 0 ? [] : [formatTable([head, ...rows], [1, 2, 3, 4, 5, 6])];
}

function both(error: PredictionError | null): (number | undefined)[] {
  return [error?.median, error?.mean];
}

function ratioTable(ratios: readonly CostComparison[]): string {
  const names = Object.keys(ratios[0]?.methods ?? {});
  const rows = ratios.map(({ model, workload, currency, methods, savingVsBest }) => [
    model,
    `${workload.promptTokens}:${workload.outputTokens}`,
    ...names.map((name) => {
      const cost = methods[name] ?? null;
      return cost === null ? "" : formatMoney(cost.mean, currency);
    }),
    percent(savingVsBest),
  ]);
  const head = ["modelled", "tokens", ...names.map(methodLabel), "Remoe saves over the best"];
  return formatTable([head, ...rows], head.map((_, column) => column).slice(1));
}

function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? "" : `${(100 * share).toFixed(1)} %`;
}
