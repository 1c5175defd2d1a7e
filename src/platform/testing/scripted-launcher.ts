import type { LaunchedFunction, Launcher, PreparedStart } from "../launcher.ts";
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

/** A start that was prepared. */
export interface ScriptedPreparation {
  /** What it was told to do so far. */
  readonly orders: readonly ("launch" | "discard")[];
  /** After it was discarded: nothing of it is left. */
  end(): void;
}

export interface ScriptedLauncher extends Launcher {
  readonly starts: readonly ScriptedStart[];
  readonly preparations: readonly ScriptedPreparation[];
  readonly closed: boolean;
}

export const STOPPED: Exit = { reason: "stopped", description: "the test stopped it" };
export const COLD_START = { processMs: 1, librariesMs: 2, weightsMs: 3, totalMs: 7 };

/** @param prepares whether it can prepare starts */
export function createScriptedLauncher({ prepares = false } = {}): ScriptedLauncher {
  const starts: ScriptedStart[] = [];
  const preparations: ScriptedPreparation[] = [];
  let closed = false;
  const launch: Launcher["launch"] = (spec, id, signal = new AbortController().signal) =>
    new Promise((resolve, reject) => {
      starts.push(createStart({ spec, id, signal }, { resolve, reject }));
    });
  const prepare = (): PreparedStart => {
    const { preparation, start } = createPreparation(launch);
    preparations.push(preparation);
    return start;
  };
  return {
    name: "scripted",
    starts,
    preparations,
    get closed() {
      return closed;
    },
    launch,
    ...(prepares && { prepare }),
    close: async () => {
      closed = true;
    },
  };
}

function createPreparation(launch: Launcher["launch"]) {
  const orders: ("launch" | "discard")[] = [];
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const start: PreparedStart = {
    launch(spec, id, signal) {
      orders.push("launch");
      return launch(spec, id, signal);
    },
    async discard() {
      orders.push("discard");
      await ended;
    },
  };
  return { start, preparation: { orders, end: () => end() } satisfies ScriptedPreparation };
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
