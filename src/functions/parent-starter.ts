import { rmSync } from "node:fs";
import { parseEndpoint } from "../wire/endpoint.ts";
import type { FunctionStart, StartReport } from "./spec.ts";
import type { Starter } from "./starter.ts";
import { toSerialised } from "./to-serialised.ts";

/**
 * The parent process as starter: it reads standard output, and holds standard input open for as long as it needs the
 * function.
 */
export function parentStarter({ listen }: Pick<FunctionStart, "listen">): Starter {
  process.stdin.once("end", () => {
    // Nobody else is left to clear the socket away.
    const endpoint = parseEndpoint(listen);
    if (endpoint.type === "unix") rmSync(endpoint.path, { force: true });
    process.exit(0);
  });
  process.stdin.resume();
  return {
    ready: tell,
    failed(error) {
      tell({ type: "failed", error: toSerialised(error) });
      process.exitCode = 1;
      process.stdin.destroy();
    },
  };
}

function tell(report: StartReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
