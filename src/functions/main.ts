import { rmdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { Engine } from "../engine/engine.ts";
import { loadNative } from "../ggml/library.ts";
import { readGguf } from "../gguf/read.ts";
import { serveMain } from "./main-server.ts";
import type { MainFunctionSpec, StartReport } from "./spec.ts";
import { toSerialised } from "./to-serialised.ts";

/**
 * The program of a main function: start → ready → serve → drain → stop. It owns the process; native code runs on its
 * main thread only. It ends with SIGTERM after the running request, and at once when standard input closes: that is
 * how it notices that whoever started it is gone.
 */
const bootedAt = Date.now();

async function main(): Promise<void> {
  const spec = JSON.parse(process.env["REMOE_FUNCTION"] ?? "{}") as MainFunctionSpec;
  exitWithStarter(spec.listen);
  const began = performance.now();
  const native = loadNative();
  const librariesLoaded = performance.now();
  const { contextLength, threads, numerics, device } = spec;
  const engine = await Engine.load(native, readGguf(spec.model), { contextLength, threads, numerics, device });
  const weightsLoaded = performance.now();
  const server = await serveMain(engine, spec.listen);
  // Ctrl-C reaches the whole process group; whoever started this function decides when it ends.
  process.on("SIGINT", () => {});
  process.once("SIGTERM", () => void server.drain().then(() => process.exit(0)));
  report({
    type: "ready",
    coldStart: {
      processMs: bootedAt - spec.spawnedAt,
      librariesMs: librariesLoaded - began,
      weightsMs: weightsLoaded - librariesLoaded,
    },
  });
}

/** Nobody else is left to clear away the socket and its folder. */
function exitWithStarter(listen: string): void {
  process.stdin.once("end", () => {
    rmSync(listen, { force: true });
    try {
      rmdirSync(dirname(listen));
    } catch {
      // Not only ours, or a named pipe.
    }
    process.exit(0);
  });
  process.stdin.resume();
}

function report(line: StartReport): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

main().catch((error: unknown) => {
  report({ type: "failed", error: toSerialised(error) });
  process.exitCode = 1;
  process.stdin.destroy();
});
