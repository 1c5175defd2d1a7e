import { type Command, InvalidArgumentError } from "commander";
import { benchPlan, type PlanBenchmark, type PlanBenchOptions, SHAPE_NAMES } from "../../../bench/plan.ts";
import { planCharts } from "../../../bench/plan-chart.ts";
import { describePlans } from "../../../bench/plan-tables.ts";
import { renderChart } from "../../../bench/plot.ts";
import { remoeError } from "../../core/errors.ts";
import { commaList, outputFile, wholeNumber } from "../argument-parsers.ts";
import { bundledModel } from "../bundled-model.ts";
import { flag } from "../flag.ts";
import { createProgress } from "../progress.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";
import { writeOutput } from "../write-output.ts";

interface BenchPlanFlags extends ResultFlags {
  readonly shapes: readonly string[];
  readonly prompts: number;
  readonly instances: number;
  readonly seed: number;
  readonly history?: string;
  readonly test?: string;
  readonly profile?: string;
  readonly model?: string;
  readonly plot?: string;
}

export function defineBenchPlan(command: Command): void {
  command
    .description(
      "Compares planners on models of published shapes, with modelled hardware and drawn prompts: what their plans cost, " +
        "how long Remoe's take to make, and how far they are from the exact optimum.",
    )
    .addOption(
      flag("--shapes <names>", "models, separated by commas", {
        parse: shapeNames,
        initial: SHAPE_NAMES,
        initially: SHAPE_NAMES.join(","),
      }),
    )
    .addOption(flag("--prompts <n>", "requests to each model", { parse: wholeNumber(1, 1000), initial: 5 }))
    .addOption(
      flag("--instances <n>", "small problems of each model that are solved exactly", {
        parse: wholeNumber(0, 1000),
        initial: 24,
      }),
    )
    .addOption(
      flag("--seed <n>", "what prompts and small problems are drawn from", { parse: wholeNumber(0), initial: 1 }),
    )
    .addOption(
      flag("--history <file>", "also measure how often worst cases hold: history to learn from (needs --test)"),
    )
    .addOption(flag("--test <file>", "history of the requests to be asked about (needs --history)"))
    .addOption(flag("--profile <file>", "also fit the times of a measured profile (remoe profile --out)"))
    .addOption(flag("-m, --model <file>", "the profile's model", { initially: "the bundled tiny-moe" }))
    .addOption(
      flag("--plot <file>", "also draw (SVG): plan.svg becomes plan-costs.svg, plan-prefill.svg, plan-memory.svg", {
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
  remoe bench plan --shapes deepseek-v2-lite --prompts 20
  remoe bench plan --plot plan.svg --out plan.json
  remoe bench plan --instances 0 --history served.history --test asked.history`;

function shapeNames(text: string): readonly string[] {
  const names = commaList(text);
  const unknown = names.find((name) => !SHAPE_NAMES.includes(name));
  if (unknown === undefined && names.length > 0) return names;
  throw new InvalidArgumentError(`Give some of ${SHAPE_NAMES.join(",")}.`);
}

async function run({ out, plot, json, ...flags }: BenchPlanFlags): Promise<void> {
  const result = await measure(flags);
  writeResult(result, { out, json }, () => describePlans(result));
  if (plot !== undefined) draw(result, plot);
}

async function measure({ history, test, profile, model, ...options }: BenchPlanFlags): Promise<PlanBenchmark> {
  const progress = createProgress();
  try {
    return await benchPlan({
      ...options,
      histories: toHistories(history, test),
      measured: profile === undefined ? null : { profile, model: model ?? bundledModel() },
      onProgress: progress.show,
    });
  } finally {
    progress.end();
  }
}

function toHistories(history: string | undefined, test: string | undefined): PlanBenchOptions["histories"] {
  if (history !== undefined && test !== undefined) return { history, test };
  if (history === undefined && test === undefined) return null;
  throw remoeError("USAGE_INVALID", { problem: "--history and --test need each other", command: "remoe bench plan" });
}

function draw(result: PlanBenchmark, path: string): void {
  const stem = path.replace(/\.svg$/, "");
  for (const { name, chart } of planCharts(result)) writeOutput(`${stem}-${name}.svg`, renderChart(chart));
}
