import type { Command } from "commander";
import type { Numerics } from "../engine/forward-passes.ts";
import { wholeNumber } from "./argument-parsers.ts";
import { flag } from "./flag.ts";
import type { SystemOptions } from "./system.ts";

/** What {@link addSystemFlags} gives a command's action. */
export interface SystemFlags {
  readonly model?: string;
  readonly context?: number;
  readonly threads?: number;
  readonly device?: string;
  readonly numerics: Numerics;
}

const NUMERICS: readonly Numerics[] = ["default", "exact"];

/** Adds the flags of every command that runs a model. */
export function addSystemFlags(command: Command): Command {
  return command
    .addOption(flag("-m, --model <file>", "model file (GGUF)", { initially: "the bundled tiny-moe" }))
    .addOption(
      flag("--context <tokens>", "tokens that prompt and answer share", {
        parse: wholeNumber(1),
        initially: "the model's own, at most 4096",
      }),
    )
    .addOption(
      flag("--threads <n>", "threads that compute", { parse: wholeNumber(1, 1024), initially: "all processors" }),
    )
    .addOption(flag("--device <name>", "compute device, see `remoe doctor`", { initially: "the processor" }))
    .addOption(
      flag("--numerics <mode>", "exact: bit for bit as llama.cpp, slower prefill", {
        choices: NUMERICS,
        initial: "default",
      }),
    );
}

export function toSystemOptions({ model, context, threads, device, numerics }: SystemFlags): SystemOptions {
  return { model, contextLength: context, threads, device, numerics };
}
