import { styleText } from "node:util";
import type { Command } from "commander";
import { VERSION } from "../../core/version.ts";
import { bundledModel } from "../bundled-model.ts";
import type { Check } from "../doctor/check.ts";
import {
  checkCacheDirectory,
  checkHugePages,
  checkLimits,
  checkMemory,
  checkNode,
  checkPlatform,
  checkProcessor,
  findLimits,
} from "../doctor/machine-checks.ts";
import { checkDevices, checkLibraries, checkModel } from "../doctor/model-checks.ts";
import { flag } from "../flag.ts";
import { printJson } from "../print-json.ts";

interface DoctorFlags {
  readonly model?: string;
  readonly json?: boolean;
}

export function defineDoctor(command: Command): void {
  command
    .description("Checks that Remoe can run on this machine, and says what to do where it cannot.")
    .addOption(flag("-m, --model <file>", "model file to check", { initially: "the bundled tiny-moe" }))
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", "\nExamples:\n  remoe doctor\n  remoe doctor --json > report.json")
    .action(examine);
}

async function examine({ model = bundledModel(), json }: DoctorFlags): Promise<void> {
  const checks = [
    checkNode(),
    checkPlatform(),
    checkProcessor(),
    checkMemory(),
    checkLibraries(),
    checkDevices(),
    checkModel(model),
    checkCacheDirectory(),
    checkHugePages(),
    checkLimits(await findLimits()),
  ];
  const ok = checks.every(({ status }) => status !== "fail");
  if (json) {
    printJson({ version: VERSION, ok, checks });
  } else {
    process.stdout.write(checks.map(toText).join(""));
  }
  if (!ok) process.exitCode = 1;
}

const COLOURS = { ok: "green", warn: "yellow", fail: "red" } as const;

function toText({ name, status, found, advice }: Check): string {
  const label = styleText(COLOURS[status], status.padEnd(4), { stream: process.stdout });
  const line = `${label}  ${name.padEnd(10)}  ${found}\n`;
  return advice === null ? line : `${line}${" ".repeat(18)}${advice}\n`;
}
