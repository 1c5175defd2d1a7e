import { formatMs } from "../src/cli/format.ts";
import { formatTable } from "../src/cli/table.ts";
import { formatMmpCoverage } from "./mmp-coverage.ts";
import type { PlanBenchmark } from "./plan.ts";
import type { Check, Occurrence, PlanCase } from "./plan-checks.ts";
import type { PlannerResult } from "./plan-comparison.ts";
import type { MemoryCurve } from "./plan-figures.ts";

/** Tables for people. */
export function describePlans(result: PlanBenchmark): string {
  const { coverage, machine, load, seed } = result;
  const planned = `seed ${seed}; planned on ${machine.cores} × ${machine.processor}, load average ${load.map((value) => value.toFixed(2)).join(" → ")}; everything planned for is modelled\n`;
  return [
    shapes(result),
    costs(result),
    checks(result),
    phases(result),
    memory(result),
    coverage === null ? "" : formatMmpCoverage(coverage),
    planned,
  ]
    .filter((table) => table !== "")
    .join("\n");
}

function shapes({ shapes: all }: PlanBenchmark): string {
  const rows = all.map(({ name, layers, experts, gap, costRemoe, costPaper, ...times }) => [
    name,
    `${layers} × ${experts}`,
    formatMs(times.planMs),
    formatMs(times.planP95Ms),
    formatMs(times.coldPlanMs),
    formatMs(times.coldPlanP95Ms),
    formatMs(times.decisionMs),
    formatMs(times.decisionP95Ms),
    formatMs(times.cachedDecisionMs),
    formatMs(times.longestStepMs),
    gap.mean === null ? "" : percent(gap.mean),
    gap.worst === null ? "" : percent(gap.worst),
    `${gap.instances - gap.infeasible - gap.missed}${gap.missed === 0 ? "" : `, ${gap.missed} MISSED`}`,
    money(costRemoe),
    money(costPaper),
  ]);
  const head = [
    "",
    "experts",
    "to plan",
    "95 %",
    "cold",
    "95 %",
    "in a gateway",
    "95 %",
    "cached",
    "longest step",
    "gap",
    "worst",
    "of",
    "Remoe",
    "paper's",
  ];
  return formatTable([head, ...rows], head.map((_, column) => column).slice(1));
}

function costs({ shapes: all, workload }: PlanBenchmark): string {
  const names = all[0]?.cases[0]?.planners.map(({ planner }) => planner) ?? [];
  const rows = all.flatMap(({ name, cases }) =>
    cases.map((each) => [
      name,
      hardware(each),
      each.setting.prices,
      `× ${each.slack}`,
      percent(each.split),
      percent(each.remoteShare),
      ...each.planners.map((planner) => cost(planner, each.requests)),
    ]),
  );
  const head = ["", "hardware", "prices", "objectives", "split", "remote", ...names];
  return [
    `thousandths of a US dollar a request, ${workload.promptTokens} tokens of prompt and ${workload.outputTokens} of answer; objectives × what one function of the most memory takes; - meets them for no request, * for some:\n`,
    formatTable([head, ...rows], [4, 5, ...names.map((_, i) => i + 6)]),
  ].join("");
}

function hardware({ setting: { device, host } }: PlanCase): string {
  return device ?? host;
}

function cost({ cost: mean, feasible }: PlannerResult, requests: number): string {
  return mean === null ? "-" : `${money(mean)}${feasible < requests ? "*" : ""}`;
}

function money(value: number | null): string {
  return value === null ? "-" : (1000 * value).toPrecision(4);
}

function checks({ checks: all }: PlanBenchmark): string {
  const rows = all.map((check) => [
    check.planner,
    verdict(check),
    check.worst === null ? "" : check.worst.ratio.toFixed(4),
    check.worst === null ? "" : occurrence(check.worst),
    check.unmatched === 0 ? "" : `${check.unmatched} requests it has a plan for and Remoe has not`,
  ]);
  return [
    "Remoe's plan costs no more than that of (fetch: ideal, no system has it):\n",
    formatTable([["", "", "at most ×", "", ""], ...rows], [2]),
  ].join("");
}

function verdict({ holds, worst }: Check): string {
  if (!holds) return "fails";
  return worst === null ? "has no plan" : "holds";
}

function occurrence({ shape, setting, slack }: Occurrence): string {
  return `${shape}, ${setting.device ?? setting.host}, ${setting.prices}, × ${slack}`;
}

function phases({ phases: all }: PlanBenchmark): string {
  if (all.length === 0) return "";
  const rows = all.map(({ shape, promptTokens, outputTokens, prefillMs, decodeMs }) => [
    shape,
    String(promptTokens),
    String(outputTokens),
    formatMs(prefillMs),
    formatMs(decodeMs),
    percent(prefillMs / decodeMs),
  ]);
  return `one function, experts on the processor (Fig. 5):\n${formatTable([["", "prompt", "answer", "prefill", "decode", "η"], ...rows], [1, 2, 3, 4, 5])}`;
}

function memory({ memory: all }: PlanBenchmark): string {
  if (all.length === 0) return "";
  const head = ["", "", "GiB", "θ1 ms", "θ2", "θ3 ms", "residual", "paper's θ2"];
  const failures = all.flatMap(({ fit }) => ("failure" in fit ? [`${fit.failure}\n`] : []));
  return [
    "decode of a token's experts of one layer, θ1 · exp(−θ2 · GiB) + θ3 (Fig. 6):\n",
    formatTable([head, ...all.map(curve)], [3, 4, 5, 6, 7]),
    ...failures,
  ].join("");
}

function curve({ model, kind, points, paperTheta2, fit }: MemoryCurve): string[] {
  const range = [points[0], points.at(-1)].map((point) => point?.memory.toFixed(2)).join("–");
  return [model, kind, range, ...parameters(fit), paperTheta2?.toFixed(4) ?? ""];
}

function parameters(fit: MemoryCurve["fit"]): string[] {
  if ("failure" in fit) return ["none", "", "", ""];
  return [...[fit.theta1, fit.theta2, fit.theta3].map((theta) => theta.toFixed(4)), percent(fit.relativeResidual)];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
