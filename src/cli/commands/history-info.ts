import { statSync } from "node:fs";
import type { Command } from "commander";
import { readHistory } from "../../history/read-history.ts";
import { flag } from "../flag.ts";
import { formatBytes, formatCount } from "../format.ts";
import { printJson } from "../print-json.ts";
import { type HistorySummary, summariseHistory } from "../summarise-history.ts";
import { formatTable } from "../table.ts";

export function defineHistoryInfo(command: Command): void {
  command
    .description("Says what a history holds.")
    .argument("<history>", "history written by `remoe trace` or a gateway")
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", "\nExample:\n  remoe history info prompts.history")
    .action(async (path: string, { json }: { readonly json?: boolean }) => {
      const summary = await summariseHistory(await readHistory(path));
      const bytes = statSync(path).size;
      if (json) printJson({ ...summary, bytes });
      else process.stdout.write(toText(summary, bytes));
    });
}

function toText({ identity, records, promptTokens, domains, ...summary }: HistorySummary, bytes: number): string {
  const { layers, experts, expertsPerToken, model, tokenizer } = identity;
  const { skippedRecords, droppedBytes } = summary.damage;
  const isSound = skippedRecords === 0 && droppedBytes === 0;
  const counted = Object.entries(domains).map(([domain, count]) => `${domain} ${formatCount(count)}`);
  return formatTable([
    ["records", formatCount(records)],
    ["prompt tokens", formatCount(promptTokens)],
    ["size", formatBytes(bytes)],
    ["recorded", describeTimes(summary)],
    ["domains", counted.length === 0 ? "none named" : counted.join(", ")],
    ["layers", `${layers} of ${experts} experts, ${expertsPerToken} for a token`],
    ["model", model],
    ["tokenizer", tokenizer],
    ["damage", isSound ? "none" : `${skippedRecords} records unreadable, ${droppedBytes} bytes torn at the end`],
  ]);
}

function describeTimes({ firstTime, lastTime }: Pick<HistorySummary, "firstTime" | "lastTime">): string {
  if (firstTime === null || lastTime === null) return "never";
  return `${new Date(firstTime).toISOString()} to ${new Date(lastTime).toISOString()}`;
}
