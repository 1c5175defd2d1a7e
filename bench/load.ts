import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import koffi from "koffi";
import { type Spread, spread } from "../src/core/stats.ts";
import { mainFootprint } from "../src/engine/footprint.ts";
import { connectMain } from "../src/functions/main-client.ts";
import type { GenerateRequest } from "../src/functions/protocol.ts";
import type { MainProgram, StartTimes } from "../src/functions/spec.ts";
import { residentShare } from "../src/ggml/page-cache.ts";
import { readGguf } from "../src/gguf/read.ts";

import { GREEDY } from "../src/model/sampling.ts";
import { createPlatform } from "../src/platform/instance-pool.ts";
import { createLocalLauncher } from "../src/platform/local/local-launcher.ts";
import { packageRoot } from "../src/platform/package-root.ts";
import type { FunctionSpec } from "../src/platform/platform.ts";
import { describeMachine, type Machine } from "./machine.ts";

/**
 * Loading a model: Remoe's main function against libllama, each in a fresh process, taking turns, with the file in the
 * page cache (warm) and out of it (cold); `dd iflag=direct` reads the same file in the same turn.
 */
export interface LoadBenchOptions {
  readonly model: string;
  readonly threads: number;
  readonly rounds: number;
}

interface Loads {
  readonly remoeMs: Spread;
  readonly llamaMs: Spread;
  /** libllama's time over Remoe's, turn by turn. */
  readonly ratio: Spread;
}

export interface LoadBenchmark {
  readonly schemaVersion: 1;
  readonly machine: Machine;
  readonly model: string;
  readonly date: string;
  readonly fileBytes: number;
  readonly warm: Loads;
  readonly cold: Loads & {
    /** Remoe's bytes a second over dd's, turn by turn. */
    readonly shareOfDirectRead: Spread;
  };
  readonly memory: {
    /** Highest resident set after loading, a prefill of 512 tokens and some decoding. */
    readonly remoePeakBytes: number;
    readonly llamaPeakBytes: number;
    readonly fileBytes: number;
    readonly cacheBytes: number;
    /** Peak less weights and cache. */
    readonly overheadBytes: number;
  };
  /** A main function's start on a warm file, to its first token. */
  readonly start: StartTimes & { readonly firstTokenMs: number; readonly totalMs: number };
}

const CONTEXT = 1024;
const SECRET = "bench";

export async function benchLoad({ model, threads, rounds }: LoadBenchOptions): Promise<LoadBenchmark> {
  const file = readGguf(model);
  const paths = file.parts.map(({ path }) => path);
  const warm: Turn[] = [];
  const cold: (Turn & { readonly ddMs: number })[] = [];
  let last: Started | undefined;
  let llamaPeakBytes = 0;
  for (let round = 0; round < rounds; round++) {
    const sides = { remoe: () => startRemoe(file.path, threads), llama: () => loadLlama(file.path, threads) };
    paths.forEach(evict);
    const ddMs = directRead(paths);
    const coldTurn = await takeTurn(sides, { round, before: () => paths.forEach(evict) });
    cold.push({ remoe: coldTurn.remoe.loadMs, llama: coldTurn.llama.loadMs, ddMs });
    const warmTurn = await takeTurn(sides, { round, before: () => paths.forEach(readFully) });
    warm.push({ remoe: warmTurn.remoe.loadMs, llama: warmTurn.llama.loadMs });
    last = warmTurn.remoe;
    llamaPeakBytes = warmTurn.llama.peakBytes;
  }
  const { cacheBytes } = mainFootprint(file, { contextLength: CONTEXT, threads: 1 });
  const started = last as Started;
  const { fileBytes } = file;
  return {
    schemaVersion: 1,
    machine: describeMachine(),
    model: file.metadata.stringOr("general.name", model),
    date: new Date().toISOString().slice(0, 10),
    fileBytes,
    warm: summarise(warm),
    cold: { ...summarise(cold), shareOfDirectRead: spread(cold.map(({ ddMs, remoe }) => ddMs / remoe)) },
    memory: {
      remoePeakBytes: started.peakBytes,
      llamaPeakBytes,
      fileBytes,
      cacheBytes,
      overheadBytes: started.peakBytes - fileBytes - cacheBytes,
    },
    start: started.start,
  };
}

interface Turn {
  readonly remoe: number;
  readonly llama: number;
}

interface Started {
  readonly loadMs: number;
  readonly peakBytes: number;
  readonly start: LoadBenchmark["start"];
}

async function takeTurn<R, L>(
  sides: { readonly remoe: () => Promise<R>; readonly llama: () => Promise<L> },
  { round, before }: { readonly round: number; readonly before: () => void },
): Promise<{ remoe: R; llama: L }> {
  before();
  if (round % 2 === 0) {
    const remoe = await sides.remoe();
    before();
    return { remoe, llama: await sides.llama() };
  }
  const llama = await sides.llama();
  before();
  return { remoe: await sides.remoe(), llama };
}

function summarise(turns: readonly Turn[]): Loads {
  return {
    remoeMs: spread(turns.map(({ remoe }) => remoe)),
    llamaMs: spread(turns.map(({ llama }) => llama)),
    ratio: spread(turns.map(({ remoe, llama }) => llama / remoe)),
  };
}

async function startRemoe(model: string, threads: number): Promise<Started> {
  // Without control groups: libllama has none either.
  const platform = createPlatform(createLocalLauncher({ secret: SECRET, cgroups: null }));
  try {
    const { endpoint, pid, coldStart } = await platform.acquire(mainSpec(model, threads));
    if (pid === null || coldStart === null) throw new Error("the main function was not started for this turn");
    const firstTokenMs = await generate(endpoint, 24, 1);
    await generate(endpoint, 512, 32);
    const start = { ...coldStart, firstTokenMs, totalMs: coldStart.totalMs + firstTokenMs };
    return { loadMs: coldStart.weightsMs, peakBytes: peakBytes(pid), start };
  } finally {
    await platform.close(0);
  }
}

function mainSpec(model: string, threads: number): FunctionSpec {
  const program: MainProgram = {
    role: "main",
    model,
    contextLength: CONTEXT,
    parallel: 1,
    threads,
    numerics: "default",
    device: null,
    experts: null,
  };
  const memoryMb = Math.floor(totalmem() / 2 ** 20);
  return { name: "main", program, memoryMb, vcpus: threads, concurrency: 1 };
}

/** → milliseconds until the first token */
async function generate(endpoint: string, promptTokens: number, maxTokens: number): Promise<number> {
  const client = connectMain(endpoint, { secret: SECRET, whyLost: async () => "it went away" });
  const began = performance.now();
  let firstMs = 0;
  const request: GenerateRequest = {
    generationId: "bench",
    promptTokens: Array.from({ length: promptTokens }, (_, i) => 100 + ((i * 37) % 150)),
    replayTokens: [],
    maxTokens,
    sampling: GREEDY,
    stopTokens: [],
    topLogprobs: null,
    traceTokens: 0,
    functions: [],
    rows: "f32",
    rounding: { granularityMs: 1, minimumMs: 0 },
  };
  for await (const event of client.generate(request, new AbortController().signal)) {
    if (event.type === "token" && firstMs === 0) firstMs = performance.now() - began;
  }
  client.close();
  return firstMs;
}

async function loadLlama(model: string, threads: number): Promise<{ loadMs: number; peakBytes: number }> {
  const script = join(packageRoot(), "dist", "bench", "llama-load.js");
  const child = spawn(process.execPath, [script, model, String(threads), String(CONTEXT)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await firstLine(child);
  await once(child, "close");
  return JSON.parse(line) as { loadMs: number; peakBytes: number };
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error("the child has no standard output");
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return line;
}

/** Linux's VmHWM. */
export function peakBytes(pid: number | "self"): number {
  const kilobytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}

const POSIX_FADV_DONTNEED = 4;

/** Takes a file out of the page cache. */
function evict(path: string): void {
  spawnSync("sync", [path]);
  const advise = koffi.load(null).func("posix_fadvise", "int", ["int", "int64_t", "int64_t", "int"]);
  const fd = openSync(path, "r");
  advise(fd, 0, 0, POSIX_FADV_DONTNEED);
  closeSync(fd);
  if (residentShare(path) > 0.05)
    throw new Error(`'${path}' does not leave the page cache: a cold load cannot be measured`);
}

function readFully(path: string): void {
  spawnSync("dd", [`if=${path}`, "of=/dev/null", "bs=4M"]);
}

/** → milliseconds dd needs to read the files around the page cache */
function directRead(paths: readonly string[]): number {
  const began = performance.now();
  for (const path of paths) {
    const { status, stderr } = spawnSync("dd", [`if=${path}`, "of=/dev/null", "bs=4M", "iflag=direct"]);
    if (status !== 0) throw new Error(`dd failed: ${stderr}`);
  }
  return performance.now() - began;
}
