import type { ColdStart, FunctionProgram } from "../functions/spec.ts";

/** A function as a platform runs it: a program and what it may use. */
export interface FunctionSpec {
  /** As in bills and logs, e.g. `main`, `experts-0-5`. */
  readonly name: string;
  readonly program: FunctionProgram;
  /** In MiB, enforced. */
  readonly memoryMb: number;
  /** Enforced once the function is ready, so that starting is not slowed down; pods have no more from the start on. */
  readonly vcpus: number;
  /** Leases an instance may have at the same time, at least one. */
  readonly concurrency: number;
}

/** Which mechanism holds an instance to its spec; `none`: the platform has no means here. */
export interface Limits {
  readonly memory: "cgroup v2" | "cgroup v1" | "rlimit" | "container" | "pod" | "none";
  readonly cpu: "cgroup v2" | "cgroup v1" | "container" | "pod" | "none";
}

export type InstanceState = "starting" | "idle" | "leased" | "stopping";

/** An instance as users see it. */
export interface InstanceReport {
  readonly id: string;
  readonly name: string;
  readonly role: FunctionProgram["role"];
  readonly state: InstanceState;
  readonly memoryMb: number;
  readonly vcpus: number;
  readonly limits: Limits | null;
  readonly endpoint: string | null;
  readonly pid: number | null;
  readonly leases: number;
}

/** How an instance ended. */
export interface Exit {
  readonly reason: "stopped" | "crashed" | "out-of-memory";
  /** For people: code or signal, last words; for out-of-memory the limit and the peak. */
  readonly description: string;
}

/** The right to use an instance; others may have it too, up to the spec's concurrency. */
export interface Lease {
  readonly instanceId: string;
  readonly spec: FunctionSpec;
  readonly endpoint: string;
  readonly pid: number | null;
  /** `null` when the instance was warm, or when the start is another lease's. */
  readonly coldStart: ColdStart | null;
  /** How long the instance had been kept warm without any lease, in milliseconds; 0 for a new one. */
  readonly idleMs: number;
  /**
   * This lease's part of the time that the instance was leased so far, in milliseconds: others who have it too have equal
   * parts. It grows until the lease is given back or the instance has ended.
   */
  readonly heldMs: number;
  /** Settles when the instance has ended, for everyone who has or had a lease. */
  readonly exited: Promise<Exit>;
  /** Gives the lease back: after the last one the instance stays warm for the keep-alive time. */
  release(): void;
  /** Gives it back unused: the next lease is told of the cold start and the idle time as if this one had never been. */
  putBack(): void;
  /** Gives it back as broken: the instance is killed, whoever else has it, and never leased again. */
  discard(): void;
}

/** Time of an instance that no lease was told of. */
export interface UntoldTime {
  /** Of a start that failed, was given up or that nobody used, in milliseconds. */
  readonly startMs: number;
  /** Since its last lease. */
  readonly idleMs: number;
}

export type PlatformEvent =
  | { readonly type: "starting" | "ready" | "leased" | "released" | "expired"; readonly instance: InstanceReport }
  | { readonly type: "exited"; readonly instance: InstanceReport; readonly exit: Exit; readonly untold: UntoldTime };

/** Starts functions on demand, keeps them warm for a while, and stops them. */
export interface Platform {
  /** For reports: `local`, `docker`, `kubernetes`, … */
  readonly name: string;
  /**
   * A warm instance of an equal spec with room, else a new one. Specs are compared once per object: do not change them.
   * @throws FUNCTION_START_FAILED, FUNCTION_OUT_OF_MEMORY, the function's own error (e.g. FUNCTION_MEMORY_TOO_SMALL),
   *   SHUTTING_DOWN after `close`, or the signal's reason
   */
  acquire(spec: FunctionSpec, signal?: AbortSignal): Promise<Lease>;
  /**
   * Says that the start of a main function will probably be wanted soon, so that what does not depend on its spec can be done
   * before that is known. → no longer expected
   */
  expectStart(): () => void;
  /** Whether an acquire of this spec would get a ready instance at once. */
  isWarm(spec: FunctionSpec): boolean;
  list(): readonly InstanceReport[];
  /** → unsubscribe */
  onEvent(listener: (event: PlatformEvent) => void): () => void;
  /** Stops every instance, killing those that do not end within the deadline; nothing is left behind. */
  close(deadlineMs: number): Promise<void>;
}
