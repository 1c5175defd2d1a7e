import { styleText } from "node:util";
import { isRemoeError, remoeError } from "../core/errors.ts";
import { printJson } from "./print-json.ts";

/**
 * Tells people on standard error what went wrong and what to do, and programs the same as JSON on standard output.
 * @returns the exit code of the error
 */
export function reportError(thrown: unknown, { json }: { readonly json: boolean }): number {
  const error = isRemoeError(thrown) ? thrown : remoeError("INTERNAL", {}, thrown);
  const { publicCode: code, message, hint } = error;
  process.stderr.write(`${label("red", "error:")} ${message}\n${label("cyan", "hint:")} ${hint}\n`);
  if (error.code === "INTERNAL" && error.cause instanceof Error) {
    process.stderr.write(`${error.cause.stack}\n`);
  }
  if (json) printJson({ error: { code, message, hint } });
  return error.entry.exitCode;
}

function label(colour: "red" | "cyan", text: string): string {
  return styleText(colour, text, { stream: process.stderr });
}
