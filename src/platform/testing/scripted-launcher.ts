import type { LaunchedFunction, Launcher } from "../launcher.ts";
import type { Exit, FunctionSpec } from "../platform.ts";

/** A start that a test decides about. */
export interface ScriptedStart {
  readonly spec: FunctionSpec;
  readonly id: string;
  readonly signal: AbortSignal;
  /** Deadlines it was told to stop within; it ends when the test says so. */
  readonly stops: readonly number[];
  becomeReady(): void;
  fail(error: Error): void;
  end(exit?: Exit): void;
}

export interface ScriptedLauncher extends Launcher {
  readonly starts: readonly ScriptedStart[];
  readonly closed: boolean;
}

export const STOPPED: Exit = { reason: "stopped", description: "the test stopped it" };
export const COLD_START = { processMs: 1, librariesMs: 2, weightsMs: 3, totalMs: 7 };

export function createScriptedLauncher(): ScriptedLauncher {
  const starts: ScriptedStart[] = [];
  let closed = false;
  return {
    name: "scripted",
    starts,
    get closed() {
      return closed;
    },
    launch: (spec, id, signal = new AbortController().signal) =>
      new Promise((resolve, reject) => {
        starts.push(createStart({ spec, id, signal }, { resolve, reject }));
      }),
    close: async () => {
      closed = true;
    },
  };
}

interface Settle {
  readonly resolve: (launched: LaunchedFunction) => void;
  readonly reject: (reason: unknown) => void;
}

function createStart(start: Pick<ScriptedStart, "spec" | "id" | "signal">, { resolve, reject }: Settle): ScriptedStart {
  const stops: number[] = [];
  let end: (exit: Exit) => void = () => {};
  const exited = new Promise<Exit>((settle) => {
    end = settle;
  });
  const stop = async (deadlineMs: number): Promise<void> => {
    stops.push(deadlineMs);
    await exited;
  };
  start.signal.addEventListener("abort", () => reject(start.signal.reason));
  return {
    ...start,
    stops,
    becomeReady() {
      const limits = { memory: "none", cpu: "none" } as const;
      resolve({ endpoint: `unix:/${start.id}`, pid: 1, limits, coldStart: COLD_START, exited, stop });
    },
    fail: reject,
    end: (exit = STOPPED) => end(exit),
  };
}
