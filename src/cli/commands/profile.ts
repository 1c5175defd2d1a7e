import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { openModel } from "../../gguf/open-model.ts";
import { profileModel } from "../../profile/profile-model.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { bundledModel } from "../bundled-model.ts";
import { createNamedPlatform, PLATFORMS, type PlatformName } from "../create-named-platform.ts";
import { describeProfile } from "../describe-profile.ts";
import { flag } from "../flag.ts";
import { watchInterruption } from "../interruption.ts";
import { toModelProgram } from "../model-program.ts";
import { createProgress } from "../progress.ts";
import { outFlag, type ResultFlags, writeResult } from "../result-flags.ts";

interface ProfileFlags extends ResultFlags {
  readonly model?: string;
  readonly platform: PlatformName;
  readonly kubernetesSettings?: string;
  readonly context?: number;
  readonly quick?: boolean;
}

export function defineProfile(command: Command): void {
  command
    .description(
      "Measures what a model takes on this machine, in real functions of several sizes. Plans are made from it. " +
        "Other work on the machine meanwhile shows in the numbers.",
    )
    .addOption(flag("-m, --model <file>", "path or URL of a model file (GGUF)", { initially: "the bundled tiny-moe" }))
    .addOption(outFlag())
    .addOption(flag("--platform <name>", "what runs the functions", { choices: PLATFORMS, initial: "local" }))
    .addOption(flag("--kubernetes-settings <file>", "settings (JSON) of the platform kubernetes"))
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
  const report = await measure(flags, watchInterruption());
  writeResult(report, flags, () => describeProfile(report));
}

/** Nothing is left to wait for: functions are stopped when they have been measured. */
const STOP_DEADLINE_MS = 0;

async function measure(flags: ProfileFlags, signal: AbortSignal) {
  const { model, context, platform: name, kubernetesSettings, quick } = flags;
  const file = await openModel(model ?? bundledModel(), { signal });
  const program = toModelProgram(file, { contextLength: context });
  const secret = randomBytes(32).toString("hex");
  const { platform, release } = await createNamedPlatform(name, { secret, kubernetesSettings });
  const progress = createProgress();
  try {
    const options = { file, program, platform, secret, isQuick: quick === true, onProgress: progress.show };
    return await profileModel(options, signal);
  } finally {
    progress.end();
    await platform.close(STOP_DEADLINE_MS);
    await release();
  }
}
