import { createInterface } from "node:readline";
import { remoeError } from "../core/errors.ts";
import type { FunctionStart, StartReport } from "./spec.ts";
import type { Starter } from "./starter.ts";
import { toSerialised } from "./to-serialised.ts";

/** A starter that may tell what to start after it has created the process. */
export interface ParentStarter extends Starter {
  /** The start; never settles when none is told. @throws FUNCTION_FAILED for what is no JSON */
  told(): Promise<FunctionStart>;
}

/**
 * The parent process as starter: it reads standard output, and holds standard input open for as long as it needs the
 * function.
 */
export function parentStarter(): ParentStarter {
  process.stdin.once("end", () => process.exit(0));
  // From the first moment on, so that no line is missed, and as long as the function runs, so that the end is noticed.
  const lines = createInterface({ input: process.stdin });
  const firstLine = new Promise<string>((resolve) => void lines.once("line", resolve));
  return {
    told: async () => parseStart(await firstLine),
    ready: tell,
    failed(error) {
      tell({ type: "failed", error: toSerialised(error) });
      process.exitCode = 1;
      process.stdin.destroy();
    },
  };
}

/** What stands in the line is not repeated: it has the functions' secret. */
function parseStart(line: string): FunctionStart {
  try {
    return JSON.parse(line) as FunctionStart;
  } catch {
    throw remoeError("FUNCTION_FAILED", { reason: "the first line of its standard input is no JSON" });
  }
}

function tell(report: StartReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
