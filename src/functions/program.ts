import { remoeError } from "../core/errors.ts";
import { loadNative, type Native } from "../ggml/library.ts";
import { controlStarter } from "./control-starter.ts";
import { startExperts } from "./experts-role.ts";
import { startMain } from "./main-role.ts";
import { parentStarter } from "./parent-starter.ts";
import { platformStarter } from "./platform-starter.ts";
import { readStart } from "./read-start.ts";
import type { ServeStart, Serving } from "./serving.ts";
import type { FunctionStart, ReadyReport } from "./spec.ts";
import type { Starter } from "./starter.ts";

/**
 * The program of every function: start → ready → serve → drain → stop. It owns the process; native code runs on its
 * main thread only. It ends with SIGTERM after the running work, and when whoever started it is gone.
 */
const bootedAt = Date.now();
let drain = async (): Promise<void> => {};

async function program(): Promise<void> {
  // Ctrl-C reaches the whole process group; whoever started this function decides when it ends.
  process.on("SIGINT", () => {});
  // From the first moment on: the first process of a container ignores what it does not handle.
  process.once("SIGTERM", () => void drain().then(() => process.exit(0)));
  const start = readStart(process.env);
  const starter = await findStarter(start);
  await run({ ...start, routes: starter.routes }).then(starter.ready, starter.failed);
}

async function findStarter(start: FunctionStart): Promise<Starter> {
  const { control, secret } = start;
  if (control === undefined) return parentStarter(start);
  return control === null ? platformStarter(start) : await controlStarter(control, secret);
}

async function run(start: ServeStart): Promise<ReadyReport> {
  const began = performance.now();
  const native = loadNative();
  const librariesLoaded = performance.now();
  const serving = await serve(native, start);
  drain = serving.drain;
  return {
    type: "ready",
    endpoint: serving.endpoint,
    weightBytes: serving.weightBytes,
    coldStart: {
      processMs: bootedAt - (start.spawnedAt ?? performance.timeOrigin),
      librariesMs: librariesLoaded - began,
      weightsMs: performance.now() - librariesLoaded,
    },
  };
}

function serve(native: Native, start: ServeStart): Promise<Serving> {
  const { program } = start;
  if (program.role === "main") return startMain(native, program, start);
  if (program.role === "experts") return startExperts(native, program, start);
  throw remoeError("FUNCTION_FAILED", { reason: "REMOE_FUNCTION names no role this program has" });
}

await program();
