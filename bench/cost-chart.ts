import { formatMoney } from "../src/ledger/format-bill.ts";
import { methodLabel } from "./cost-methods.ts";
import type { CostComparison } from "./cost-summary.ts";
import type { Bar, Chart, Panel } from "./plot.ts";

const SERIES = ["other methods", "Remoe"];
const READING = "Horizontal bars, shorter is better: mean cost of a request, with its quartiles.";

/** Fig. 9: what a request costs, a panel for each comparison. */
export function toCostChart(comparisons: readonly CostComparison[]): Chart {
  return {
    title: "Cost of a request",
    description: [READING, ...comparisons.map(describe)].join(" "),
    series: SERIES,
    panels: comparisons.map((each) => ({ title: titleOf(each), groups: [barsOf(each)] })),
    format: moneyOf(comparisons),
  };
}

/** Fig. 10: the same over lengths of prompt and answer, a panel for each model. */
export function toRatioChart(ratios: readonly CostComparison[]): Chart {
  const models = [...new Set(ratios.map(({ model }) => model))];
  return {
    title: "Cost of a request over lengths of prompt and answer",
    description: `${READING} Lengths are tokens of prompt and answer. ${ratios.map(describe).join(" ")}`,
    series: SERIES,
    panels: models.map((model): Panel => {
      const own = ratios.filter((each) => each.model === model);
      return {
        title: own[0] === undefined ? model : titleOf(own[0]),
        groups: own.map((each) => barsOf(each, `${lengthsOf(each)}, `)),
      };
    }),
    format: moneyOf(ratios),
  };
}

/** Methods that do not keep the objectives are marked. */
function barsOf({ methods }: CostComparison, prefix = ""): Bar[] {
  return Object.entries(methods).flatMap(([name, cost], index): Bar[] => {
    if (cost === null) return [];
    const { mean, p25: low, p75: high, feasible } = cost;
    const label = `${index === 0 ? prefix : ""}${methodLabel(name)}${feasible < 0.5 ? " (too slow)" : ""}`;
    return [{ label, series: name === "remoe" ? 1 : 0, mean, low, high }];
  });
}

function titleOf({ kind, model, machine, requests }: CostComparison): string {
  return `${kind}: ${model} on ${machine}, ${requests} requests`;
}

function lengthsOf({ workload }: CostComparison): string {
  return `${workload.promptTokens}:${workload.outputTokens}`;
}

function describe(comparison: CostComparison): string {
  const { kind, model, currency, methods } = comparison;
  const costs = Object.entries(methods).flatMap(([name, cost]) =>
    cost === null ? [] : [`${methodLabel(name)} ${formatMoney(cost.mean, currency)}`],
  );
  return `${model} (${kind}, ${lengthsOf(comparison)}): ${costs.join(", ")}.`;
}

function moneyOf([first]: readonly CostComparison[]): (value: number) => string {
  return (value) => formatMoney(value, first?.currency ?? "USD");
}
