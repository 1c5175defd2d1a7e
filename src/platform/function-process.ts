import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { remoeError } from "../core/errors.ts";
import type { FunctionStart, StartReport } from "../functions/spec.ts";

/** Lines of the function's own complaints that are kept for an error message. */
const KEPT_LINES = 20;
const SHOWN_CHARACTERS = 200;
/** Stack frames, garbage collector tables and the like: what stands around the sentence that tells the reason. */
const NOISE = /^($|[\s<[{}-]|Node\.js v)/;

/** How a process ended. */
export interface ProcessEnd {
  /** True after exit code 0. */
  readonly clean: boolean;
  /** Code or signal, and its last words. */
  readonly description: string;
  /** The last lines of standard error: what a native library says before it aborts the process. */
  readonly complaints: readonly string[];
}

/** A function's process. It ends by itself when this one ends: its standard input closes. */
export interface FunctionProcess {
  readonly pid: number | null;
  /** The first line it writes; never settles when it writes none. */
  readonly report: Promise<StartReport>;
  /** Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Tells what it is to be, once, if its environment says that this comes later. */
  tell(start: FunctionStart): void;
  kill(signal: NodeJS.Signals): void;
}

/** A process that cannot be started ends at once. */
export function startFunctionProcess(command: readonly string[], env: NodeJS.ProcessEnv): FunctionProcess {
  try {
    const [file = "", ...parameters] = command;
    return watch(spawn(file, parameters, { env, stdio: ["pipe", "pipe", "pipe"] }));
  } catch (error) {
    const ended = Promise.resolve({ clean: false, description: String(error), complaints: [] });
    return { pid: null, report: new Promise(() => {}), ended, tell() {}, kill() {} };
  }
}

function watch(child: ChildProcessWithoutNullStreams): FunctionProcess {
  const complaints: string[] = [];
  const ended = untilEnd(child, complaints);
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (isTelling(line)) complaints.push(line);
    if (complaints.length > KEPT_LINES) complaints.shift();
  });
  // It ended before it read what it was told; that it ended is told elsewhere.
  child.stdin.on("error", () => {});
  return {
    pid: child.pid ?? null,
    report: new Promise((resolve) => {
      createInterface({ input: child.stdout }).once("line", (line) => resolve(parseReport(line)));
    }),
    ended,
    tell: (start) => void child.stdin.write(`${JSON.stringify(start)}\n`),
    kill: (signal) => void child.kill(signal),
  };
}

/** Whether a line of a process that ended may say why. */
export function isTelling(line: string): boolean {
  return !NOISE.test(line);
}

function parseReport(line: string): StartReport {
  try {
    const report = JSON.parse(line) as StartReport;
    if (report.type === "ready" || report.type === "failed") return report;
  } catch {
    // Told below.
  }
  const reason = `it wrote '${line.slice(0, SHOWN_CHARACTERS)}' where it should say whether it is ready`;
  return { type: "failed", error: remoeError("FUNCTION_FAILED", { reason }).toJSON() };
}

function untilEnd(child: ChildProcess, complaints: readonly string[]): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    const end = (clean: boolean, how: string): void => {
      const last = complaints.at(-1);
      const description = last === undefined ? how : `${how}; its last words: ${last}`;
      resolve({ clean, description, complaints });
    };
    child.once("error", (error) => end(false, error.message));
    child.once("close", (code, signal) => {
      end(code === 0, signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`);
    });
  });
}
