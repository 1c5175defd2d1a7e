import { existsSync, readFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { Command, type Option } from "commander";
import { remoeError } from "../core/errors.ts";
import { CONFIG_FOLDER } from "../deploy/deploy-options.ts";
import { defineServe } from "./commands/serve.ts";
import { readPriceBook } from "./read-price-book.ts";

/** What the gateway of a deployment is told by its flags. */
export interface ServedFlags {
  /** As `remoe serve` takes them. */
  readonly serveArguments: readonly string[];
  /** Files that they name → contents. */
  readonly files: Readonly<Record<string, string>>;
}

/** Flags of `serve` that a deployment decides about, or has its own of. */
const OWN: ReadonlySet<string> = new Set([
  ...["model", "history", "platform", "kubernetes-settings"],
  ...["host", "port", "api-key", "api-key-file", "allow-unprotected"],
]);
/** Flags whose value is a file: one that is here goes with the deployment. */
const FILES: ReadonlySet<string> = new Set(["profile", "plan", "prices"]);
/** `--context` is a cluster's here. */
const RENAMED = { from: "context", to: "context-length" } as const;

/** Adds the flags of `serve` to a command that deploys a gateway; values are checked as there. */
export function addServedFlags(command: Command): Command {
  for (const option of servedOptions()) command.addOption(option);
  return command;
}

/**
 * What the flags that were given say to the gateway.
 * @throws DEPLOY_INVALID for a file that is not here, PRICE_BOOK_UNKNOWN
 */
export function toServedFlags(command: Command, name: string): ServedFlags {
  const serveArguments: string[] = [];
  const files: Record<string, string> = {};
  for (const option of servedOptions()) {
    const value = givenValue(command, option);
    if (value === null) continue;
    const flag = servedName(option);
    const text = FILES.has(flag) ? readNamedFile(name, { flag, value }) : null;
    if (text !== null) files[`${flag}.json`] = text;
    const handedOn = text === null ? value : `${CONFIG_FOLDER}/${flag}.json`;
    serveArguments.push(`--${flag}`, ...(option.isBoolean() ? [] : [handedOn]));
  }
  return { serveArguments, files };
}

/** → the flag's text; `null` when only its default is there */
function givenValue(command: Command, option: Option): string | null {
  const attribute = option.attributeName();
  const source = command.getOptionValueSource(attribute);
  return source === "cli" || source === "env" ? String(command.getOptionValue(attribute)) : null;
}

function servedOptions(): readonly Option[] {
  const serve = new Command();
  defineServe(serve);
  return serve.options.filter((option) => !OWN.has(option.name())).map(keepText);
}

/** The option as it is, but for the parsed value: the text itself is handed on. */
function keepText(option: Option): Option {
  if (option.name() === RENAMED.from) rename(option);
  const parse = option.parseArg;
  if (parse === undefined || option.argChoices !== undefined) return option;
  return option.argParser((text: string) => {
    parse(text, undefined);
    return text;
  });
}

function rename(option: Option): void {
  option.long = `--${RENAMED.to}`;
  option.flags = option.flags.replace(`--${RENAMED.from}`, option.long);
  option.env("REMOE_CONTEXT_LENGTH");
}

function servedName(option: Option): string {
  return option.name() === RENAMED.to ? RENAMED.from : option.name();
}

/** → `null` for what is no file of this machine: a path in the container, or the name of a price book */
function readNamedFile(
  name: string,
  { flag, value }: { readonly flag: string; readonly value: string },
): string | null {
  if (existsSync(value)) return readFileSync(value, "utf8");
  if (isAbsolute(value)) return null;
  if (flag !== "prices") {
    const problem = `there is no file '${value}' for --${flag}; give one, or an absolute path in the container`;
    throw remoeError("DEPLOY_INVALID", { name, problem });
  }
  readPriceBook(value);
  return null;
}
