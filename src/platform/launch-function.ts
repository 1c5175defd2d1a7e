import { remoeError, reviveError, type SerialisedError } from "../core/errors.ts";
import { type ColdStart, PROTOCOL, type ReadyReport, type StartReport } from "../functions/spec.ts";
import type { LaunchedFunction } from "./launcher.ts";
import type { Exit, FunctionSpec } from "./platform.ts";

/** How a function ended, and the most memory it had used. */
export interface Ending {
  readonly type: "ended";
  readonly exit: Exit;
  readonly peakMb: number;
}

/** A function that may not be ready yet. */
export interface RunningInstance {
  /** The first line it writes; never settles when it writes none. */
  readonly report: Promise<StartReport>;
  /** Settles when it has ended and what it left behind is cleared away. */
  readonly ended: Promise<Ending>;
  /** Ends it at once; resolves when it has ended. */
  kill(): Promise<void>;
  /** Lets it finish its work, until the deadline. */
  stop(deadlineMs: number): Promise<void>;
}

/**
 * Waits until a function is ready. One that is not wanted any more, or does not become ready, is gone when this throws.
 * @param settle what is left to do then
 * @param createdAt when its process was created, if that was before; monotonic milliseconds
 * @throws FUNCTION_START_FAILED, FUNCTION_OUT_OF_MEMORY, FUNCTION_VERSION_UNSUPPORTED, the function's own error, the signal's reason
 */
export async function launchFunction<Running extends RunningInstance>(
  start: () => Running,
  { spec, settle, createdAt = performance.now() }: LaunchOptions<Running>,
  signal?: AbortSignal,
): Promise<LaunchedFunction> {
  signal?.throwIfAborted();
  const running = start();
  const kill = (): void => void running.kill();
  signal?.addEventListener("abort", kill);
  try {
    const { endpoint, coldStart } = await untilReady(running, spec);
    const { pod, ...settled } = await settle(running);
    signal?.throwIfAborted();
    return {
      endpoint,
      ...settled,
      coldStart: { ...coldStart, ...(pod && { pod }), totalMs: performance.now() - createdAt },
      exited: running.ended.then(({ exit }) => exit),
      stop: (deadlineMs) => running.stop(deadlineMs),
    };
  } catch (error) {
    await running.kill();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

interface LaunchOptions<Running> {
  readonly spec: FunctionSpec;
  readonly settle: Settle<Running>;
  readonly createdAt?: number | undefined;
}

type Settled = Pick<LaunchedFunction, "pid" | "limits"> & Pick<ColdStart, "pod">;
type Settle<Running> = (running: Running) => Settled | Promise<Settled>;

async function untilReady(running: RunningInstance, spec: FunctionSpec): Promise<ReadyReport> {
  const first = await Promise.race([running.report, running.ended]);
  if (first.type === "ready") return ofThisVersion(first, spec);
  if (first.type === "failed") throw reviveError(first.error as SerialisedError);
  throw startError(first, spec);
}

/** An image may be another one on another machine, under the same name. */
function ofThisVersion(report: ReadyReport, { name }: FunctionSpec): ReadyReport {
  const { protocol: theirs = 1 } = report;
  if (theirs === PROTOCOL) return report;
  throw remoeError("FUNCTION_VERSION_UNSUPPORTED", { function: name, theirs, ours: PROTOCOL });
}

function startError({ exit, peakMb }: Ending, { name, program, memoryMb }: FunctionSpec): Error {
  return exit.reason === "out-of-memory"
    ? remoeError("FUNCTION_OUT_OF_MEMORY", { function: name, limitMb: memoryMb, peakMb })
    : remoeError("FUNCTION_START_FAILED", { role: program.role, reason: exit.description });
}
