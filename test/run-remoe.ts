import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Makes the program that {@link startRemoe} runs. */
export function buildRemoe(): void {
  execFileSync(process.execPath, ["scripts/build.mjs"], { cwd: ROOT });
}

export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningRemoe {
  readonly child: ChildProcess;
  /** Resolves when a text has appeared on a stream; rejects when the program ends before. */
  saw(stream: "stdout" | "stderr", text: string | RegExp): Promise<RegExpMatchArray>;
  readonly ended: Promise<RunResult>;
  /** Whether any process that the program started is still there, itself included. */
  isAlive(): boolean;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; empty by default. */
  readonly input?: string;
  /** A stream that goes to a disk without space. */
  readonly full?: "stdout" | "stderr";
}

/** Starts the built command line in a process group of its own. */
export function startRemoe(args: readonly string[], { env = {}, input = "", full }: StartOptions = {}): RunningRemoe {
  const stream = (name: string) => (name === full ? openSync("/dev/full", "w") : "pipe");
  const child = spawn(process.execPath, ["bin/remoe.js", ...args], {
    cwd: ROOT,
    detached: true,
    stdio: ["pipe", stream("stdout"), stream("stderr")],
    env: { ...inheritedEnvironment(), ...env },
  });
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8").on("data", (text: string) => {
      output[stream] += text;
    });
  }
  // One that has ended by then reads nothing.
  child.stdin?.on("error", () => {});
  child.stdin?.end(input);
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, ...output }));
  return {
    child,
    ended,
    async saw(stream, text) {
      for (;;) {
        const found = output[stream].match(text);
        if (found !== null) return found;
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode} first: ${output.stderr}`);
        await Promise.race([child[stream] && once(child[stream], "data"), ended]);
      }
    },
    isAlive: () => groupExists(child.pid),
  };
}

/** Runs the command line to its end. */
export function runRemoe(args: readonly string[], options: StartOptions = {}): Promise<RunResult> {
  return startRemoe(args, options).ended;
}

/** Settings of the machine that runs the tests must not change what they see. */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  const own = /^(REMOE_|NO_COLOR$|FORCE_COLOR$|NODE_OPTIONS$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}

function groupExists(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}
