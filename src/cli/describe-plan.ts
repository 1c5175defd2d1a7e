import { formatMoney } from "../ledger/format-bill.ts";
import type { Decision, Evaluation, Violation } from "../planner/evaluation.ts";
import type { Alternative, Explanation, MemoryReport, ObjectiveReport } from "../planner/explain.ts";
import type { LayerPlan } from "../planner/plan.ts";
import type { PlanningProblem } from "../planner/problem.ts";
import { formatMs } from "./format.ts";
import { formatTable } from "./table.ts";

/** A decision in a few lines: where experts run, and what that takes and costs. */
export function describeDecision({ placement, evaluation }: Decision, { sizes, prices }: PlanningProblem): string {
  const { specMain, layers } = placement.plan;
  const remote = layers.reduce((sum, layer) => sum + layer.remote.length, 0);
  const total = sizes.layers * sizes.experts;
  const rows = [
    ["main", `${specMain.memoryMb} MiB`, `${total - remote} of ${total} experts`],
    ...functionRows(layers),
    ["predicted", "", `${times(evaluation)}, cost ${formatMoney(evaluation.cost, prices.currency)}`],
  ];
  return formatTable(rows);
}

function functionRows(layers: readonly LayerPlan[]): string[][] {
  const names = [...new Set(layers.map((layer) => layer.function))];
  return names.map((name) => {
    const own = layers.filter((layer) => layer.function === name);
    const experts = own.reduce((sum, { remote }) => sum + remote.length, 0);
    const replicas = Math.max(...own.map((layer) => layer.replicas.length));
    const share = replicas === 1 ? "" : ` in ${replicas} replicas`;
    const which = own.map(({ layer }) => layer).join(", ");
    return [name, `${own[0]?.memoryMb} MiB`, `${experts} experts of layer ${which}${share}`];
  });
}

function times({ ttftMs, tpotMs, coldStartMs }: Evaluation): string {
  const cold = coldStartMs === 0 ? "" : ` (${formatMs(coldStartMs)} of it cold start)`;
  return `TTFT ${formatMs(ttftMs)}${cold}, TPOT ${formatMs(tpotMs)}`;
}

/** What the same request would cost with other ways to plan. */
export function describeBaselines(
  baselines: ReadonlyMap<string, Decision | null>,
  { prices }: PlanningProblem,
  cost: number,
): string {
  const rows = [...baselines].flatMap(([name, decision]): string[][] => {
    if (decision === null) return [];
    const { evaluation, feasible } = decision;
    const percent = Math.round(100 * (evaluation.cost / cost - 1));
    const compared = `${percent < 0 ? "−" : "+"}${Math.abs(percent)} %`;
    const price = formatMoney(evaluation.cost, prices.currency);
    return [[name, price, compared, times(evaluation), feasible ? "" : "misses an objective"]];
  });
  return formatTable([["instead", "cost", "", "", ""], ...rows], [1, 2]);
}

/** The reasons, a sentence a line. */
export function describeExplanation(explanation: Explanation, { prices }: PlanningProblem, cost: number): string {
  const lines = [
    ...explanation.objectives.map(describeObjective),
    explanation.binding === null
      ? "No objective binds: this is the cheapest plan there is."
      : `What binds is the ${explanation.binding.toUpperCase()} objective.`,
    describeMemory(explanation.memory),
    ...explanation.alternatives.map((each) => describeAlternative(each, cost, prices.currency)),
  ];
  return `${lines.join("\n")}\n`;
}

function describeObjective({ objective, limitMs, predictedMs, margin }: ObjectiveReport): string {
  const expected = `${formatMs(predictedMs)} × margin ${margin.toFixed(2)} = ${formatMs(predictedMs * margin)}`;
  return `${objective.toUpperCase()}: ${expected}, limit ${formatMs(limitMs)}.`;
}

function describeMemory({ specMb, neededMb, localExpertsMb, restMb, isForSpeed }: MemoryReport): string {
  const parts = `${Math.round(localExpertsMb)} MiB of local experts and ${Math.round(restMb)} MiB of everything else`;
  const why = isForSpeed
    ? "a smaller size would hold them, this one has the processors"
    : "the smallest size that holds them";
  return `The main function has ${specMb} MiB for ${parts} (${Math.round(neededMb)} MiB): ${why}.`;
}

const NAMES: Readonly<Record<Alternative["name"], string>> = {
  cheapest: "Without objectives the cheapest plan",
  smaller: "The best plan with a smaller main function",
  larger: "The best plan with a larger main function",
  unsplit: "Without remote experts the best plan",
};

function describeAlternative(alternative: Alternative, cost: number, currency: string): string {
  const { name, mainMb, remoteExperts, violations } = alternative;
  const percent = Math.round(100 * (alternative.cost / cost - 1));
  const compared = percent === 0 ? "as much" : `${Math.abs(percent)} % ${percent < 0 ? "less" : "more"}`;
  const price = `costs ${compared} (${formatMoney(alternative.cost, currency)})`;
  const misses = violations.length === 0 ? "" : `, and misses ${violations.map(describeViolation).join(" and ")}`;
  return `${NAMES[name]} (${mainMb} MiB, ${remoteExperts} remote experts) ${price}${misses}.`;
}

function describeViolation({ objective, limitMs, expectedMs }: Violation): string {
  return `${objective.toUpperCase()} (${formatMs(expectedMs)} instead of ${formatMs(limitMs)})`;
}
