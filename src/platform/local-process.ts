import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { remoeError, reviveError, type SerialisedError } from "../core/errors.ts";
import { connectMain } from "../functions/main-client.ts";
import type { MainFunction } from "../functions/protocol.ts";
import type { MainFunctionSpec, StartReport, StartTimes } from "../functions/spec.ts";
import { packageRoot } from "./package-root.ts";

/** How long a lost connection waits to learn how the process ended. */
const EXIT_GRACE_MS = 500;
/** Lines of the function's own complaints that are kept for an error message. */
const KEPT_LINES = 20;

export interface LocalMainFunction extends MainFunction {
  readonly pid: number;
  /** Settles when the process has ended, with how. */
  readonly exited: Promise<string>;
}

export type LocalSpec = Omit<MainFunctionSpec, "role" | "listen" | "spawnedAt">;

/**
 * Starts a main function as a child process that listens on a Unix socket only this user can reach. The child ends
 * with this process, however that ends: it watches its standard input.
 * @throws FUNCTION_START_FAILED, or the function's own error
 */
export async function startLocalMain(spec: LocalSpec, signal?: AbortSignal): Promise<LocalMainFunction> {
  signal?.throwIfAborted();
  const folder = await mkdtemp(join(tmpdir(), "remoe-"));
  const listen =
    process.platform === "win32" ? `\\\\.\\pipe\\remoe-${process.pid}-${Date.now()}` : join(folder, "main.sock");
  const spawnedAt = Date.now();
  const child = spawn(process.execPath, functionCommand(), {
    env: { ...functionEnvironment(), REMOE_FUNCTION: JSON.stringify({ ...spec, role: "main", listen, spawnedAt }) },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const complaints = keepLines(child);
  const exited = describeExit(child, complaints).finally(() => rm(folder, { recursive: true, force: true }));
  const stopEarly = (): void => void child.kill("SIGKILL");
  signal?.addEventListener("abort", stopEarly, { once: true });
  try {
    const times = await untilReady(child, exited);
    const client = connectMain(listen, () => Promise.race([exited, delay(EXIT_GRACE_MS, "the connection broke")]));
    return {
      pid: child.pid ?? 0,
      exited,
      coldStart: { ...times, totalMs: Date.now() - spawnedAt },
      generate: client.generate,
      stop: (deadlineMs) => stop(child, { exited, deadlineMs }).finally(() => client.close()),
    };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", stopEarly);
  }
}

/**
 * Node's arguments for a function. Its JavaScript makes little garbage: a small young generation saves memory that would
 * be billed.
 */
export function functionCommand(): readonly string[] {
  return ["--max-semi-space-size=2", join(packageRoot(), "dist", "functions", "main.js")];
}

/** The gateway's own secrets stay in the gateway. */
function functionEnvironment(): NodeJS.ProcessEnv {
  const { REMOE_API_KEY: _key, ...rest } = process.env;
  // Reads, repacking and prefill lanes run on libuv's pool, whose size is fixed before the function's first line.
  return { UV_THREADPOOL_SIZE: String(Math.max(8, 2 * availableParallelism())), ...rest };
}

async function untilReady(child: ChildProcess, exited: Promise<string>): Promise<StartTimes> {
  if (child.stdout === null) throw new Error("the child has no standard output");
  const lines = createInterface({ input: child.stdout });
  const first = once(lines, "line").then(([line]) => JSON.parse(String(line)) as StartReport);
  const report = await Promise.race([first, exited]);
  if (typeof report === "string") throw remoeError("FUNCTION_START_FAILED", { role: "main", reason: report });
  if (report.type === "failed") throw reviveError(report.error as SerialisedError);
  return report.coldStart;
}

/** The last lines of standard error: what a native library says before it aborts the process. */
function keepLines(child: ChildProcess): readonly string[] {
  const lines: string[] = [];
  if (child.stderr === null) return lines;
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
  });
  return lines;
}

async function describeExit(child: ChildProcess, complaints: readonly string[]): Promise<string> {
  const [code, signal] = (await Promise.race([
    once(child, "close"),
    once(child, "error").then(([error]) => [String(error), null]),
  ])) as [number | string | null, NodeJS.Signals | null];
  const how = signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`;
  const last = complaints.at(-1);
  return last === undefined ? how : `${how}; its last words: ${last}`;
}

async function stop(
  child: ChildProcess,
  { exited, deadlineMs }: { readonly exited: Promise<string>; readonly deadlineMs: number },
): Promise<void> {
  child.kill("SIGTERM");
  const killer = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
  await exited;
  clearTimeout(killer);
}

function delay<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(resolve, ms, value).unref());
}
