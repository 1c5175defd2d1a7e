import type { CostProfile, ExpertTimes, MainTimes, Margin, SpeedCurve, StartTime } from "../planner/cost-profile.ts";
import type { FitReport } from "../profile/identify-profile.ts";
import type { ProfileReport } from "../profile/profile-model.ts";
import { formatMs } from "./format.ts";
import { formatTable } from "./table.ts";

/** A measured profile for people: curves by processors, single times, and how well the fits explain the measurements. */
export function describeProfile(report: ProfileReport): string {
  const { profile, fits } = report;
  const title = `${profile.model}, ${profile.machine}, ${profile.date}\n`;
  return [title, describeCurves(profile), describeFacts(report), formatTable(fits.map(describeFit))].join("\n");
}

type Row = readonly [name: string, curve: SpeedCurve];

function describeCurves({ cpu, split, remote }: CostProfile): string {
  const rows = [...mainRows("unsplit", cpu), ...mainRows("split", split), ...expertRows("remote", remote)];
  const sizes = [...new Set(rows.flatMap(([, { vcpus }]) => vcpus))].sort((a, b) => a - b);
  const cells = rows.map(([name, { vcpus, ms }]) => [name, ...sizes.map((size) => toMs(ms[vcpus.indexOf(size)]))]);
  return formatTable(
    [["ms with processors", ...sizes.map(String)], ...cells],
    sizes.map((_, column) => column + 1),
  );
}

function mainRows(name: string, { decodeToken, prefillPrompt, prefillToken, experts }: MainTimes): Row[] {
  return [
    [`${name}: token, without experts`, decodeToken],
    [`${name}: prompt`, prefillPrompt],
    [`${name}: token of a prompt`, prefillToken],
    ...expertRows(name, experts),
  ];
}

function expertRows(name: string, { decodeLayer, decodeRow, prefillExpert, prefillRow }: ExpertTimes): Row[] {
  return [
    [`${name}: experts of a layer`, decodeLayer],
    [`${name}: each of them`, decodeRow],
    [`${name}: expert in prefill`, prefillExpert],
    [`${name}: row of it`, prefillRow],
  ];
}

function describeFacts({ profile, machine, points }: ProfileReport): string {
  const { wire, contention, overhead, coldStart, spread } = profile;
  const { main, experts } = coldStart;
  return formatTable([
    ["call", `${toMs(wire.callMs)} ms, and ${toMs(wire.perHiddenStateMs)} ms each hidden state`],
    [
      "contention",
      `prefill ${toPercent(contention.prefill)}, decode ${toPercent(contention.decode)} (of the shorter side's time)`,
    ],
    ["overhead", `main function ${formatMs(overhead.mainMs)}, gateway ${formatMs(overhead.gatewayMs)}`],
    ["cold start", `main function ${describeStart(main)}, expert function ${describeStart(experts)}`],
    ["spread", `unsplit ${describeMargin(spread.unsplit)}, split ${describeMargin(spread.split)} (95 % of requests)`],
    ["other work", `${toPercent(points.foreignLoad)} of the processors meanwhile`],
    ["limits", `processors ${machine.limits.cpu}, memory ${machine.limits.memory}`],
  ]);
}

function describeMargin({ ttft, tpot }: Margin): string {
  return `TTFT × ${ttft.toFixed(2)}, TPOT × ${tpot.toFixed(2)}`;
}

function toPercent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function describeStart({ fixedMs, perMb }: StartTime): string {
  return `${formatMs(fixedMs)} and ${toMs(perMb)} ms a MiB`;
}

function describeFit(fit: FitReport): string[] {
  const { name, form } = fit;
  if ("failure" in fit) return [name, form, fit.failure];
  const found = Object.entries(fit.parameters ?? {}).map(([key, value]) => `${key} ${value.toPrecision(4)}`);
  return [name, form, [`± ${(100 * fit.relativeResidual).toFixed(1)} %`, ...found].join(", ")];
}

/** Empty where nothing was measured. */
function toMs(value: number | undefined): string {
  return value === undefined ? "" : value.toPrecision(3);
}
