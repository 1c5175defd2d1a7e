import type { Command } from "commander";
import { openModel } from "../../gguf/open-model.ts";
import { SUPPORTED_ARCHITECTURES } from "../../model/registry.ts";
import { flag } from "../flag.ts";
import { formatBytes, formatCount } from "../format.ts";
import { type ExpertGroup, type Inspection, inspectModel } from "../inspection.ts";
import { printJson } from "../print-json.ts";
import { formatTable } from "../table.ts";

export function defineInspect(command: Command): void {
  command
    .description("Says what a model file holds: architecture, sizes, experts. Reads the header only.")
    .argument("<model>", "path or URL of a model file (GGUF)")
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText(
      "after",
      `
Examples:
  remoe inspect model.gguf
  remoe inspect model.gguf --json | jq .bytes`,
    )
    .action(async (model: string, { json }: { readonly json?: boolean }) => {
      const inspection = inspectModel(await openModel(model));
      if (json) {
        printJson(inspection);
      } else {
        process.stdout.write(toText(inspection));
      }
    });
}

function toText(inspection: Inspection): string {
  const { supported, quantisation, expertTable, experts } = inspection;
  const parts = [formatTable(summaryRows(inspection))];
  parts.push(
    formatTable(
      quantisation.map(({ type, tensors, bytes }) => [type, `${tensors} tensors`, formatBytes(bytes)]),
      [1, 2],
    ),
  );
  if (expertTable.length > 0) parts.push(formatTable(expertTable.map((group) => expertRow(group, experts))));
  if (!supported) {
    parts.push(`Remoe cannot run this architecture; it runs ${SUPPORTED_ARCHITECTURES.join(", ")}.\n`);
  }
  return parts.join("\n");
}

function summaryRows(inspection: Inspection): string[][] {
  const { bytes, layers, moeLayers, experts, expertsPerToken, sharedExperts } = inspection;
  const count = (value: number | null) => (value === null ? "not stated" : formatCount(value));
  const share = (part: number) => `${formatBytes(part)} (${((100 * part) / bytes.total).toFixed(1)} %)`;
  return [
    ["name", inspection.name ?? "not stated"],
    ["architecture", inspection.architecture],
    ["layers", `${count(layers)}, ${moeLayers} of them with experts`],
    ["experts", `${experts} in a layer, ${expertsPerToken} for a token, ${sharedExperts} shared`],
    ["hidden width", count(inspection.hidden)],
    ["context", `${count(inspection.contextLength)} tokens`],
    ["vocabulary", `${count(inspection.vocabulary)} tokens`],
    ["tensors", formatBytes(bytes.total)],
    ["non-expert", share(bytes.nonExpert)],
    ["experts", share(bytes.experts)],
    ["one expert", formatBytes(bytes.perExpert)],
  ];
}

function expertRow({ firstLayer, lastLayer, bytesPerExpert, types }: ExpertGroup, experts: number): string[] {
  const layers = firstLayer === lastLayer ? `layer ${firstLayer}` : `layers ${firstLayer}-${lastLayer}`;
  const stored = Object.entries(types).map(([matrix, type]) => `${matrix} ${type}`);
  return [layers, `${experts} experts of ${formatBytes(bytesPerExpert)}`, stored.join(", ")];
}
