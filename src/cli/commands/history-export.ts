import type { Command } from "commander";
import { CSV_HEADER, toCsvLines } from "../../history/csv.ts";
import type { HistoryIdentity } from "../../history/identity.ts";
import { toJsonLine } from "../../history/jsonl.ts";
import { readHistory } from "../../history/read-history.ts";
import { flag } from "../flag.ts";
import { formatCount } from "../format.ts";
import { printJson } from "../print-json.ts";
import { openTextSink, type RecordSink } from "../record-sink.ts";

interface HistoryExportFlags {
  readonly format: "jsonl" | "csv";
  readonly out: string;
  readonly json?: boolean;
}

export function defineHistoryExport(command: Command): void {
  command
    .description("Writes a history as text: JSONL has everything and can be imported, CSV the activation counts.")
    .argument("<history>", "history written by `remoe trace` or a gateway")
    .addOption(flag("--format <form>", "form of the text", { choices: ["jsonl", "csv"], initial: "jsonl" }))
    .addOption(flag("-o, --out <file>", "file to write", { required: true }))
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText(
      "after",
      `
Examples:
  remoe history export prompts.history --out prompts-history.jsonl
  remoe history export prompts.history --format csv --out activations.csv`,
    )
    .action(exportHistory);
}

async function exportHistory(path: string, { format, out, json }: HistoryExportFlags): Promise<void> {
  const history = await readHistory(path);
  const sink = await openSink(out, format, history.identity);
  let records = 0;
  try {
    for await (const record of history) {
      await sink.append(record);
      records++;
    }
  } finally {
    await sink.close();
  }
  if (json) printJson({ records, out, format });
  else process.stderr.write(`wrote ${out}: ${formatCount(records)} records\n`);
}

function openSink(out: string, format: HistoryExportFlags["format"], identity: HistoryIdentity): Promise<RecordSink> {
  if (format === "jsonl") {
    return openTextSink(out, { mode: "replace", toText: (record) => `${toJsonLine(record, identity)}\n` });
  }
  return openTextSink(out, {
    mode: "replace",
    header: `${CSV_HEADER}\n`,
    toText: (record) => Array.from(toCsvLines(record, identity), (line) => `${line}\n`).join(""),
  });
}
