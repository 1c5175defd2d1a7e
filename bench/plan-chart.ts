import type { PlanBenchmark } from "./plan.ts";
import type { PlanCase } from "./plan-checks.ts";
import { fittedMs, type MemoryCurve, type PhaseTimes } from "./plan-figures.ts";
import { HEADLINE_SLACK, type ShapeResult } from "./plan-shape.ts";
import type { Bar, Chart } from "./plot.ts";

/** A chart and what its file's name ends with. */
export interface NamedChart {
  readonly name: "costs" | "prefill" | "memory";
  readonly chart: Chart;
}

/** Costs of all planners, and Fig. 5 and 6 of the paper; those without data are left out. */
export function planCharts({ shapes, phases, memory }: Pick<PlanBenchmark, "shapes" | "phases" | "memory">) {
  const charts: NamedChart[] = [
    { name: "costs", chart: costChart(shapes) },
    { name: "prefill", chart: phaseChart(phases) },
    { name: "memory", chart: memoryChart(memory) },
  ];
  return charts.filter(({ chart }) => chart.panels.length > 0);
}

/** A bar without an interval. */
function exactly(label: string, series: number, value: number): Bar {
  return { label, series, mean: value, low: value, high: value };
}

/** In thousandths of the currency, so that four decimals are enough. */
const THOUSANDTHS = 1000;

function costChart(shapes: readonly ShapeResult[]): Chart {
  const panels = shapes.flatMap(({ name, cases }) =>
    cases
      .filter(({ slack }) => slack === HEADLINE_SLACK)
      .map((each) => ({ title: `${name}, ${hardware(each)}, ${each.setting.prices}`, groups: costBars(each) })),
  );
  return {
    title: "Cost of a request by planner, in thousandths of a US dollar",
    description: `Horizontal bars, shorter is better: mean cost of requests whose objectives are met. Objectives are ${HEADLINE_SLACK} times what one function of the most memory takes. Planners without a bar meet them for no request. All of it is modelled.`,
    series: ["other planners", "Remoe's own"],
    panels,
  };
}

function hardware({ setting: { device, host } }: PlanCase): string {
  return device === null ? host : `${device} and ${host}`;
}

function costBars({ planners }: PlanCase): Bar[][] {
  return planners.flatMap(({ planner, cost }) =>
    cost === null ? [] : [[exactly(planner, planner === "remoe" ? 1 : 0, cost * THOUSANDTHS)]],
  );
}

/** Fig. 5 */
function phaseChart(phases: readonly PhaseTimes[]): Chart {
  const shapes = [...new Set(phases.map(({ shape }) => shape))];
  return {
    title: "Prefill and decode, in seconds",
    description:
      "Pairs of horizontal bars: the time of prefill and of decode in one function with all experts, non-expert modules on a device, by tokens of prompt and answer. Modelled.",
    series: ["prefill", "decode"],
    panels: shapes.map((shape) => ({
      title: shape,
      groups: phases
        .filter((each) => each.shape === shape)
        .map(({ promptTokens, outputTokens, prefillMs, decodeMs }) => [
          exactly(`${promptTokens} in, ${outputTokens} out`, 0, prefillMs / 1000),
          exactly("", 1, decodeMs / 1000),
        ]),
    })),
  };
}

/** More sizes than this do not make a curve clearer. */
const SHOWN_SIZES = 12;

/** Fig. 6 */
function memoryChart(curves: readonly MemoryCurve[]): Chart {
  return {
    title: "Decode of a token's experts of one layer against memory, in milliseconds",
    description:
      "Pairs of horizontal bars: the time as modelled or measured with so much memory, and θ1 · exp(−θ2 · GiB) + θ3 as fitted to it.",
    series: ["modelled or measured", "fitted"],
    panels: curves.map((curve) => ({
      title: `${curve.model}, ${curve.kind}${"failure" in curve.fit ? "" : `: θ2 = ${curve.fit.theta2.toFixed(4)}`}`,
      groups: memoryBars(curve),
    })),
  };
}

function memoryBars({ points, fit }: MemoryCurve): Bar[][] {
  const step = Math.ceil(points.length / SHOWN_SIZES);
  return points
    .filter((_, i) => i % step === 0)
    .map(({ memory, ms }) => [
      exactly(`${memory.toFixed(2)} GiB`, 0, ms),
      ...("failure" in fit ? [] : [exactly("", 1, fittedMs(fit, memory))]),
    ]);
}
