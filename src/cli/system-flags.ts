import type { Command } from "commander";
import type { Numerics } from "../engine/create-passes.ts";
import type { RowTransfer } from "../functions/protocol.ts";
import { DEFAULT_PRICE_BOOK } from "../ledger/price-books.ts";
import type { Slo } from "../planner/problem.ts";
import { byteSize, duration, share, wholeNumber } from "./argument-parsers.ts";
import { PLATFORMS, type PlatformName } from "./create-named-platform.ts";
import type { PlanningChoice } from "./create-planning.ts";
import { flag } from "./flag.ts";
import { readPriceBook } from "./read-price-book.ts";
import type { SystemOptions } from "./system.ts";

/** What {@link addPlanningFlags} gives a command's action. */
export interface PlanningFlags {
  readonly profile?: string;
  readonly sloTtft?: number;
  readonly sloTpot?: number;
  readonly sloPolicy: "strict" | "best-effort";
}

/** What {@link addSystemFlags} gives a command's action. */
export interface SystemFlags extends PlanningFlags {
  readonly model?: string;
  readonly context?: number;
  readonly parallel: number;
  readonly threads?: number;
  readonly device?: string;
  readonly numerics: Numerics;
  readonly placement: "auto" | "local";
  readonly plan?: string;
  readonly remoteRatio?: number;
  readonly expertFunctions?: number;
  readonly replicas: number;
  readonly memory?: number;
  readonly expertMemory?: number;
  readonly remoteRows: RowTransfer;
  readonly platform: PlatformName;
  readonly kubernetesSettings?: string;
  readonly keepAlive: number;
  readonly prices: string;
  readonly history?: string;
  readonly historyPrivacy: "full" | "counts";
}

const NUMERICS: readonly Numerics[] = ["default", "exact"];
const ROW_TRANSFERS: readonly RowTransfer[] = ["f32", "f16", "summed"];
const KEEP_ALIVE_MS = 600_000;
/** Far beyond where computing more tokens together still saves time. */
const MOST_PARALLEL = 64;

/** Adds the flags of every command that runs a model. */
export function addSystemFlags(command: Command): Command {
  addModelFlags(command);
  addPlacementFlags(command);
  addPlanningFlags(command);
  return addPlatformFlags(command);
}

function addModelFlags(command: Command): void {
  command
    .addOption(flag("-m, --model <file>", "path or URL of a model file (GGUF)", { initially: "the bundled tiny-moe" }))
    .addOption(
      flag("--context <tokens>", "tokens that prompt and answer share", {
        parse: wholeNumber(1),
        initially: "the model's own, at most 4096",
      }),
    )
    .addOption(
      flag(
        "--parallel <n>",
        "requests that a main function computes at the same time, each with a context of its own",
        {
          parse: wholeNumber(1, MOST_PARALLEL),
          initial: 1,
        },
      ),
    )
    .addOption(
      flag("--threads <n>", "threads of the main function", {
        parse: wholeNumber(1, 1024),
        initially: "its processors",
      }),
    )
    .addOption(flag("--device <name>", "compute device, see `remoe doctor`", { initially: "the processor" }))
    .addOption(
      flag("--numerics <mode>", "exact: bit for bit as llama.cpp, slower prefill", {
        choices: NUMERICS,
        initial: "default",
      }),
    );
}

function addPlacementFlags(command: Command): void {
  command
    .addOption(
      flag("--placement <mode>", "where experts run: local keeps all in the main function", {
        choices: ["auto", "local"],
        initial: "auto",
      }),
    )
    .addOption(
      flag("--remote-ratio <b>", "share of each layer's experts in expert functions", {
        parse: share,
        initially: "0, or what the planner chooses with --profile",
      }),
    )
    .addOption(
      flag("--expert-functions <n>", "functions that the remote experts are spread over", {
        parse: wholeNumber(1),
        initially: "as many as have more weights than a process costs",
      }),
    )
    .addOption(flag("--replicas <n>", "instances of each expert function", { parse: wholeNumber(1, 64), initial: 1 }))
    .addOption(flag("--plan <file>", "plan (JSON) that says which experts run where"))
    .addOption(
      flag("--remote-rows <form>", "what expert functions send back: f32 leaves the output as it is", {
        choices: ROW_TRANSFERS,
        initial: "f32",
      }),
    );
}

/** Adds the flags of every command that plans. */
export function addPlanningFlags(command: Command): void {
  command
    .addOption(
      flag("--profile <file>", "plan each request by this profile (see `remoe profile`)", {
        conflicts: ["plan", "remoteRatio"],
      }),
    )
    .addOption(flag("--slo-ttft <duration>", "objective for the time to the first token", { parse: duration }))
    .addOption(flag("--slo-tpot <duration>", "objective for the mean time between tokens", { parse: duration }))
    .addOption(
      flag("--slo-policy <policy>", "what becomes of a request whose objectives no plan meets: strict refuses it", {
        choices: ["strict", "best-effort"],
        initial: "strict",
      }),
    );
}

function addPlatformFlags(command: Command): Command {
  return command
    .addOption(
      flag("--memory <size>", "memory of the main function; 1 GiB brings one processor", {
        parse: byteSize,
        initially: "what it needs, and 1 GiB a thread",
      }),
    )
    .addOption(
      flag("--expert-memory <size>", "memory of each expert function", {
        parse: byteSize,
        initially: "what it needs, at least 1 GiB",
      }),
    )
    .addOption(flag("--platform <name>", "what runs the functions", { choices: PLATFORMS, initial: "local" }))
    .addOption(flag("--kubernetes-settings <file>", "settings (JSON) of the platform kubernetes"))
    .addOption(
      flag("--keep-alive <duration>", "how long a function stays warm without a request", {
        parse: duration,
        initial: KEEP_ALIVE_MS,
        initially: "10m",
      }),
    )
    .addOption(flag("--history <file>", "past requests to predict from; each request is added"))
    .addOption(
      flag("--history-privacy <mode>", "counts keeps no token ids of prompts", {
        choices: ["full", "counts"],
        initial: "full",
      }),
    )
    .addOption(flag("--prices <book>", "price book for bills: a name or a JSON file", { initial: DEFAULT_PRICE_BOOK }));
}

const MIB = 2 ** 20;

/**
 * @param reuse whether functions will serve many requests
 * @throws PRICE_BOOK_UNKNOWN, PRICE_BOOK_INVALID
 */
export function toSystemOptions(flags: SystemFlags, reuse: boolean): SystemOptions {
  const { model, context, parallel, threads, device, numerics, placement } = flags;
  const isLocal = placement === "local";
  return {
    model,
    contextLength: context,
    parallel,
    threads,
    device,
    numerics,
    plan: {
      file: isLocal ? undefined : flags.plan,
      remoteRatio: isLocal ? 0 : flags.remoteRatio,
      expertFunctions: flags.expertFunctions,
      replicas: flags.replicas,
      memoryMb: toMb(flags.memory),
      expertMemoryMb: toMb(flags.expertMemory),
    },
    planning: isLocal ? undefined : toPlanning(flags, reuse),
    rows: flags.remoteRows,
    priceBook: readPriceBook(flags.prices),
    platform: flags.platform,
    kubernetesSettings: flags.kubernetesSettings,
    keepAliveMs: flags.keepAlive,
    history: flags.history === undefined ? undefined : { path: flags.history, privacy: flags.historyPrivacy },
  };
}

function toPlanning(flags: SystemFlags, reuse: boolean): PlanningChoice | undefined {
  const { profile, sloPolicy: policy } = flags;
  return profile === undefined ? undefined : { profile, policy, reuse, slo: toSlo(flags) };
}

export function toSlo({ sloTtft, sloTpot }: PlanningFlags): Slo {
  return { ttftMs: sloTtft ?? null, tpotMs: sloTpot ?? null };
}

function toMb(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : Math.max(1, Math.floor(bytes / MIB));
}
