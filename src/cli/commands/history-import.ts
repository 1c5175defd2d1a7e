import type { Command } from "commander";
import { openModel } from "../../gguf/open-model.ts";
import { HistoryFile } from "../../history/history-file.ts";
import { importJsonl } from "../../history/import-jsonl.ts";
import { bundledModel } from "../bundled-model.ts";
import { flag } from "../flag.ts";
import { formatCount } from "../format.ts";
import { historyIdentity } from "../history-identity.ts";
import { printJson } from "../print-json.ts";

interface HistoryImportFlags {
  readonly model?: string;
  readonly out: string;
  readonly json?: boolean;
}

export function defineHistoryImport(command: Command): void {
  command
    .description("Appends records that were exported as JSONL to a history. Records of another model are refused.")
    .argument("<records>", "records as JSONL")
    .addOption(flag("-o, --out <file>", "history to append to", { required: true }))
    .addOption(
      flag("-m, --model <file>", "path or URL of the model file (GGUF) they belong to", {
        initially: "the bundled tiny-moe",
      }),
    )
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", "\nExample:\n  remoe history import prompts-history.jsonl --out prompts.history")
    .action(importHistory);
}

async function importHistory(path: string, { model, out, json }: HistoryImportFlags): Promise<void> {
  const identity = await historyIdentity(await openModel(model ?? bundledModel()));
  const history = await HistoryFile.open(out, identity);
  let records = 0;
  try {
    for await (const record of importJsonl(path, identity)) {
      await history.append(record);
      records++;
    }
  } finally {
    await history.close();
  }
  if (json) printJson({ records, out });
  else process.stderr.write(`${out}: ${formatCount(records)} records imported\n`);
}
