import { rmSync } from "node:fs";
import { remoeError } from "../core/errors.ts";
import { loadNative, type Native } from "../ggml/library.ts";
import { parseEndpoint } from "../wire/endpoint.ts";
import { startExperts } from "./experts-role.ts";
import { startMain } from "./main-role.ts";
import type { Serving } from "./serving.ts";
import type { FunctionStart, StartReport } from "./spec.ts";
import { toSerialised } from "./to-serialised.ts";

/**
 * The program of every function: start → ready → serve → drain → stop. It owns the process; native code runs on its
 * main thread only. It ends with SIGTERM after the running work, and at once when standard input closes: that is how it
 * notices that whoever started it is gone.
 */
const bootedAt = Date.now();

async function program(): Promise<void> {
  const start = JSON.parse(process.env["REMOE_FUNCTION"] ?? "{}") as FunctionStart;
  exitWithStarter(start);
  const began = performance.now();
  const native = loadNative();
  const librariesLoaded = performance.now();
  const { endpoint, weightBytes, drain } = await serve(native, start);
  // Ctrl-C reaches the whole process group; whoever started this function decides when it ends.
  process.on("SIGINT", () => {});
  process.once("SIGTERM", () => void drain().then(() => process.exit(0)));
  report({
    type: "ready",
    endpoint,
    weightBytes,
    coldStart: {
      processMs: bootedAt - start.spawnedAt,
      librariesMs: librariesLoaded - began,
      weightsMs: performance.now() - librariesLoaded,
    },
  });
}

function serve(native: Native, start: FunctionStart): Promise<Serving> {
  const { program } = start;
  if (program.role === "main") return startMain(native, program, start);
  if (program.role === "experts") return startExperts(native, program, start);
  throw remoeError("FUNCTION_FAILED", { reason: "REMOE_FUNCTION names no role this program has" });
}

/** Nobody else is left to clear the socket away. */
function exitWithStarter({ listen }: FunctionStart): void {
  process.stdin.once("end", () => {
    const endpoint = parseEndpoint(listen);
    if (endpoint.type === "unix") rmSync(endpoint.path, { force: true });
    process.exit(0);
  });
  process.stdin.resume();
}

function report(line: StartReport): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

program().catch((error: unknown) => {
  report({ type: "failed", error: toSerialised(error) });
  process.exitCode = 1;
  process.stdin.destroy();
});
