import { methodLabel } from "./cost-methods.ts";
import type { CostComparison } from "./cost-summary.ts";
import type { Bar, Chart, Panel } from "./plot.ts";

const SERIES = ["other methods", "Remoe"];
const READING = "Horizontal bars, shorter is better: cost of a million requests, with the quartiles of single ones.";

/** Fig. 9: what a request costs, a panel for each comparison. */
export function toCostChart(comparisons: readonly CostComparison[]): Chart {
  return {
    title: "Cost of a million requests",
    description: [READING, ...comparisons.map(describe)].join(" "),
    series: SERIES,
    panels: comparisons.map((each) => ({ title: titleOf(each), groups: [barsOf(each)] })),
    format: (cost) => formatMillion(cost, comparisons[0]?.currency),
  };
}

/** Fig. 10: the same over lengths of prompt and answer, a panel for each model. */
export function toRatioChart(ratios: readonly CostComparison[]): Chart {
  const models = [...new Set(ratios.map(({ model }) => model))];
  return {
    title: "Cost of a million requests over lengths of prompt and answer",
    description: `${READING} Lengths are tokens of prompt and answer. ${ratios.map(describe).join(" ")}`,
    series: SERIES,
    panels: models.map((model): Panel => {
      const own = ratios.filter((each) => each.model === model);
      return {
        title: own[0] === undefined ? model : titleOf(own[0]),
        groups: own.map((each) => barsOf(each, `${lengthsOf(each)}, `)),
      };
    }),
    format: (cost) => formatMillion(cost, ratios[0]?.currency),
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

function titleOf({ kind, model, requests }: CostComparison): string {
  return `${model}, ${kind}: ${requests} requests`;
}

function lengthsOf({ workload }: CostComparison): string {
  return `${workload.promptTokens}:${workload.outputTokens}`;
}

function describe(comparison: CostComparison): string {
  const { kind, model, machine, currency, methods } = comparison;
  const costs = Object.entries(methods).flatMap(([name, cost]) =>
    cost === null ? [] : [`${methodLabel(name)} ${formatMillion(cost.mean, currency)}`],
  );
  return `${model} on ${machine} (${kind}, ${lengthsOf(comparison)}): ${costs.join(", ")}.`;
}

/** A million times the cost of one: that of one is a fraction of a cent. */
function formatMillion(cost: number, currency = "USD"): string {
  return (1e6 * cost).toLocaleString("en-US", { style: "currency", currency, maximumSignificantDigits: 4 });
}
