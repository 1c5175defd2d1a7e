import { rmSync } from "node:fs";
import { remoeError } from "../core/errors.ts";
import { loadNative, type Native } from "../ggml/library.ts";
import { parseEndpoint } from "../wire/endpoint.ts";
import { controlStarter } from "./control-starter.ts";
import { startExperts } from "./experts-role.ts";
import { startMain } from "./main-role.ts";
import { parentStarter } from "./parent-starter.ts";
import { platformStarter } from "./platform-starter.ts";
import { readStart } from "./read-start.ts";
import type { ServeStart, Serving } from "./serving.ts";
import { type FunctionStart, PROTOCOL, type ReadyReport } from "./spec.ts";
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
  const known = readStart(process.env);
  if (known !== null) return await run(await findStarter(known), async () => known);
  const parent = parentStarter();
  await run(parent, () => parent.told());
}

async function findStarter({ control, secret }: FunctionStart): Promise<Starter> {
  if (control === undefined) return parentStarter();
  return control === null ? platformStarter({ secret }) : await controlStarter(control, secret);
}

async function run(starter: Starter, tellStart: () => Promise<FunctionStart>): Promise<void> {
  await start(starter, tellStart).then(starter.ready, starter.failed);
}

/** What every function needs comes first: which one it will be may not be known yet. */
async function start({ routes }: Starter, tellStart: () => Promise<FunctionStart>): Promise<ReadyReport> {
  const began = performance.now();
  const native = loadNative();
  const librariesMs = performance.now() - began;
  const told = await tellStart();
  const toldAt = performance.now();
  removeSocketAtExit(told.listen);
  const serving = await serve(native, { ...told, routes });
  drain = serving.drain;
  return {
    type: "ready",
    protocol: PROTOCOL,
    endpoint: serving.endpoint,
    weightBytes: serving.weightBytes,
    coldStart: {
      processMs: bootedAt - (told.spawnedAt ?? performance.timeOrigin),
      librariesMs,
      weightsMs: performance.now() - toldAt,
    },
  };
}

/** Nobody else may be left to do it. */
function removeSocketAtExit(listen: string): void {
  const endpoint = parseEndpoint(listen);
  if (endpoint.type === "unix") process.once("exit", () => rmSync(endpoint.path, { force: true }));
}

function serve(native: Native, start: ServeStart): Promise<Serving> {
  const { program } = start;
  if (program.role === "main") return startMain(native, program, start);
  if (program.role === "experts") return startExperts(native, program, start);
  throw remoeError("FUNCTION_FAILED", { reason: "its start names no role this program has" });
}

await program();
