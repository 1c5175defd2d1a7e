import type { Command } from "commander";
import { Admission } from "../../gateway/admission.ts";
import { createLogger, LOG_LEVELS, type LogLevel } from "../../gateway/log.ts";
import { byteSize, commaList, duration, wholeNumber } from "../argument-parsers.ts";
import { flag } from "../flag.ts";
import { watchInterruption } from "../interruption.ts";
import { readApiKey } from "../read-api-key.ts";
import { type ServingOptions, serveUntilAborted } from "../serving.ts";
import { startSystem } from "../system.ts";
import { addSystemFlags, type SystemFlags, toSystemOptions } from "../system-flags.ts";

interface ServeFlags extends SystemFlags {
  readonly alias?: string;
  readonly host: string;
  readonly port: number;
  readonly apiKey?: string;
  readonly apiKeyFile?: string;
  readonly allowUnprotected?: boolean;
  readonly corsOrigins: readonly string[];
  readonly bodyLimit: number;
  readonly maxConcurrency?: number;
  readonly maxQueue: number;
  readonly drainTimeout: number;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
}

export function defineServe(command: Command): void {
  command.description("Serves a model over the OpenAI API until it is stopped.");
  addSystemFlags(command).addOption(flag("--alias <name>", "name clients ask for", { initially: "the file's name" }));
  addListenFlags(command);
  addLimitFlags(command);
  command
    .addOption(flag("--log-level <level>", "least important lines to log", { choices: LOG_LEVELS, initial: "info" }))
    .addOption(flag("--log-format <format>", "form of log lines", { choices: ["text", "json"], initial: "text" }))
    .addHelpText("after", EXAMPLES)
    .action(serve);
}

const EXAMPLES = `
Examples:
  remoe serve
  remoe serve --model model.gguf --alias my-model --port 0
  remoe serve --parallel 4
  REMOE_API_KEY=secret remoe serve --host 0.0.0.0 --log-format json`;

function addListenFlags(command: Command): void {
  command
    .addOption(flag("--host <address>", "address to listen on", { initial: "127.0.0.1" }))
    .addOption(
      flag("--port <n>", "port to listen on, 0 takes any free one", {
        parse: wholeNumber(0, 65_535),
        initial: 8000,
      }),
    )
    .addOption(flag("--api-key <key>", "key that clients must send", { conflicts: "apiKeyFile" }))
    .addOption(flag("--api-key-file <file>", "file with the key"))
    .addOption(flag("--allow-unprotected", "listen without a key where other machines reach it"))
    .addOption(
      flag("--cors-origins <list>", "origins whose pages may call the API, * for all", {
        parse: commaList,
        initial: [],
        initially: "none",
      }),
    );
}

function addLimitFlags(command: Command): void {
  command
    .addOption(
      flag("--max-concurrency <n>", "requests that run at the same time, in as many main functions as they need", {
        parse: wholeNumber(1),
        initially: "what one main function computes, see --parallel",
      }),
    )
    .addOption(flag("--max-queue <n>", "requests that may wait", { parse: wholeNumber(0), initial: 64 }))
    .addOption(
      flag("--body-limit <size>", "largest request body", { parse: byteSize, initial: 4 * 2 ** 20, initially: "4MiB" }),
    )
    .addOption(
      flag("--drain-timeout <duration>", "time for running requests to end when stopping", {
        parse: duration,
        initial: 30_000,
        initially: "30s",
      }),
    );
}

async function serve(flags: ServeFlags): Promise<void> {
  const options = toServingOptions(flags);
  const admission = new Admission({
    clock: () => performance.now(),
    concurrency: flags.maxConcurrency ?? flags.parallel,
    queueLimit: flags.maxQueue,
  });
  const signal = watchInterruption();
  const system = await startSystem({ ...toSystemOptions(flags, true), alias: flags.alias, admission }, signal);
  try {
    await serveUntilAborted(system, options, signal);
  } finally {
    await system.stop(options.drainMs);
  }
}

function toServingOptions(flags: ServeFlags): ServingOptions {
  const { host, port, corsOrigins, allowUnprotected = false, logLevel, logFormat } = flags;
  return {
    host,
    port,
    apiKey: flags.apiKeyFile === undefined ? (flags.apiKey ?? null) : readApiKey(flags.apiKeyFile),
    allowUnprotected,
    corsOrigins,
    bodyLimitBytes: flags.bodyLimit,
    drainMs: flags.drainTimeout,
    logger: createLogger({ level: logLevel, format: logFormat }),
  };
}
