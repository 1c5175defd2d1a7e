import { formatMs } from "../src/cli/format.ts";
import type { ColdStartComparison, ColdStartParts, MethodStart } from "./coldstart-summary.ts";
import { methodLabel } from "./cost-methods.ts";
import type { Bar, Chart } from "./plot.ts";

type Part = keyof ColdStartParts;

const PARTS: readonly Part[] = ["totalMs", "containerMs", "loadMs", "remoteMs", "calculateMs"];
const NAMES: Readonly<Record<Part, string>> = {
  totalMs: "until ready",
  containerMs: "container",
  loadMs: "weights",
  remoteMs: "slowest expert function",
  calculateMs: "prediction and plan",
};
const SERIES = ["parts of it", "until ready"];

/** Fig. 11: where the time of each method's cold start goes, a panel for each comparison. */
export function toColdStartChart(comparisons: readonly ColdStartComparison[]): Chart {
  return {
    title: "Cold start",
    description: `Horizontal bars, shorter is better: times until functions are ready, and of their parts; expert functions start at the same time as the main function. ${comparisons.map(describe).join(" ")}`,
    series: SERIES,
    panels: comparisons.map((each) => ({
      title: `${each.model}, ${each.kind}: ${each.starts} starts`,
      groups: Object.entries(each.methods).flatMap(([name, start]) => (start === null ? [] : [barsOf(name, start)])),
    })),
    format: formatMs,
  };
}

/** Parts that took no time are left out. */
function barsOf(name: string, start: MethodStart): Bar[] {
  return PARTS.filter((part) => start[part] > 0).map((part) => {
    const isTotal = part === "totalMs";
    const mean = start[part];
    const range = isTotal ? { low: start.low, high: start.high } : { low: mean, high: mean };
    return { label: isTotal ? methodLabel(name) : NAMES[part], series: isTotal ? 1 : 0, mean, ...range };
  });
}

function describe({ kind, model, machine, methods }: ColdStartComparison): string {
  const totals = Object.entries(methods).flatMap(([name, start]) =>
    start === null ? [] : [`${methodLabel(name)} ${formatMs(start.totalMs)}`],
  );
  return `${model} on ${machine} (${kind}): ${totals.join(", ")}.`;
}
