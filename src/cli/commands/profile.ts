import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { remoeError } from "../../core/errors.ts";
import { readGguf } from "../../gguf/read.ts";
import { profileModel } from "../../profile/profile-model.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { bundledModel } from "../bundled-model.ts";
import { createNamedPlatform, PLATFORMS, type PlatformName } from "../create-named-platform.ts";
import { describeProfile } from "../describe-profile.ts";
import { flag } from "../flag.ts";
import { watchInterruption } from "../interruption.ts";
import { toModelProgram } from "../model-program.ts";
import { printJson } from "../print-json.ts";
import { createProgress } from "../progress.ts";

interface ProfileFlags {
  readonly model?: string;
  readonly out?: string;
  readonly platform: PlatformName;
  readonly context?: number;
  readonly quick?: boolean;
  readonly json?: boolean;
}

export function defineProfile(command: Command): void {
  command
    .description(
      "Measures what a model takes on this machine, in real functions of several sizes. Plans are made from it. " +
        "Other work on the machine meanwhile shows in the numbers.",
    )
    .addOption(flag("-m, --model <file>", "model file (GGUF)", { initially: "the bundled tiny-moe" }))
    .addOption(flag("-o, --out <file>", "also write the profile, with everything measured, as JSON"))
    .addOption(flag("--platform <name>", "what runs the functions", { choices: PLATFORMS, initial: "local" }))
    .addOption(
      flag("--context <tokens>", "tokens that prompt and answer share", {
        parse: wholeNumber(1),
        initially: "the model's own, at most 4096",
      }),
    )
    .addOption(flag("--quick", "fewer sizes and repetitions: faster and rougher"))
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", EXAMPLES)
    .action(run);
}

const EXAMPLES = `
Examples:
  remoe profile
  remoe profile --model olmoe.gguf --out olmoe.profile.json
  remoe profile --quick --platform docker --json`;

async function run(flags: ProfileFlags): Promise<void> {
  const { out } = flags;
  // Before a minute of measuring: afterwards it would be lost.
  if (out !== undefined) write(out, "");
  const report = await measure(flags, watchInterruption());
  if (out !== undefined) write(out, `${JSON.stringify(report, null, 2)}\n`);
  if (flags.json) printJson(report);
  else process.stdout.write(describeProfile(report));
}

/** Keeps what is there while there is nothing to add. */
function write(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: text === "" ? "a" : "w" });
  } catch (error) {
    throw remoeError("PROFILE_UNWRITABLE", { path, reason: (error as Error).message }, error);
  }
}

/** Nothing is left to wait for: functions are stopped when they have been measured. */
const STOP_DEADLINE_MS = 0;

async function measure({ model, context, platform: name, quick }: ProfileFlags, signal: AbortSignal) {
  const path = model ?? bundledModel();
  if (!existsSync(path)) throw remoeError("MODEL_NOT_FOUND", { path });
  const file = readGguf(path);
  const program = toModelProgram(file, { contextLength: context });
  const secret = randomBytes(32).toString("hex");
  const platform = await createNamedPlatform(name, { secret });
  const progress = createProgress();
  try {
    const options = { file, program, platform, secret, isQuick: quick === true, onProgress: progress.show };
    return await profileModel(options, signal);
  } finally {
    progress.end();
    await platform.close(STOP_DEADLINE_MS);
  }
}
