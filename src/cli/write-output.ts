import { writeFileSync } from "node:fs";
import { remoeError } from "../core/errors.ts";
import { reportError } from "./report-error.ts";

/**
 * Writes a file that was asked for. Where that fails the command says so and goes on, so that nothing else is lost; its
 * exit code tells.
 * @returns whether it is written
 */
export function writeOutput(path: string, text: string): boolean {
  try {
    writeFileSync(path, text);
    return true;
  } catch (error) {
    reportUnwritable(path, error as Error);
    return false;
  }
}

/** Programs read the result on standard output, so this is told on standard error alone. */
export function reportUnwritable(path: string, error: Error): void {
  process.exitCode = reportError(remoeError("OUTPUT_UNWRITABLE", { path, reason: error.message }, error), {
    json: false,
  });
}
