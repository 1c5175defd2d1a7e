import type { ColdStart } from "../functions/spec.ts";
import type { Exit, FunctionSpec, Limits } from "./platform.ts";

/** A started instance. */
export interface LaunchedFunction {
  readonly endpoint: string;
  readonly pid: number | null;
  readonly limits: Limits;
  readonly coldStart: ColdStart;
  /** Settles when it has ended and what it left behind is cleared away; never rejects. */
  readonly exited: Promise<Exit>;
  /** Lets running work end, then stops it; after the deadline it is killed. May be called again to hurry. */
  stop(deadlineMs: number): Promise<void>;
}

/** A start that began before it was known of what. */
export interface PreparedStart {
  /** As that of {@link Launcher}; to be called once, and not after `discard`. */
  readonly launch: Launcher["launch"];
  /** Ends it unused; resolves when nothing of it is left. */
  discard(): Promise<void>;
}

/** How one kind of platform starts instances; warm pool and leases are the same for all (instance-pool.ts). */
export interface Launcher {
  readonly name: string;
  /**
   * Starts an instance and waits until it is ready; when this throws, nothing of it is left.
   * @throws FUNCTION_START_FAILED, FUNCTION_OUT_OF_MEMORY, the function's own error, or the signal's reason
   */
  launch(spec: FunctionSpec, instanceId: string, signal?: AbortSignal): Promise<LaunchedFunction>;
  /** Begins a start with what is the same for all. Not there where a spec must be known from the first moment on. */
  prepare?(): PreparedStart;
  /** After the last instance has ended: clears away what is shared by all. */
  close(): Promise<void>;
}
