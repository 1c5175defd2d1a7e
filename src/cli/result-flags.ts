import type { Option } from "commander";
import { outputFile } from "./argument-parsers.ts";
import { flag } from "./flag.ts";
import { printJson } from "./print-json.ts";
import { writeOutput } from "./write-output.ts";

/** Where commands that measure something write the result. */
export interface ResultFlags {
  readonly out?: string | undefined;
  readonly json?: boolean | undefined;
}

export function outFlag(): Option {
  return flag("-o, --out <file>", "also write the JSON object to a file", { parse: outputFile });
}

/** Writes a result where it is wanted, and prints it as JSON or for people; as JSON too where it cannot be written. */
export function writeResult(result: object, { out, json }: ResultFlags, describe: () => string): void {
  const isKept = out === undefined || writeOutput(out, `${JSON.stringify(result, null, 2)}\n`);
  if (json || !isKept) printJson(result);
  else process.stdout.write(describe());
}
