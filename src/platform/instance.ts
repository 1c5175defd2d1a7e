import { SharedTime } from "../core/shared-time.ts";
import type { ColdStart } from "../functions/spec.ts";
import type { LaunchedFunction } from "./launcher.ts";
import type { Exit, FunctionSpec, InstanceReport, InstanceState, Lease, UntoldTime } from "./platform.ts";

/** An acquire that has no lease yet. */
export interface Waiter {
  readonly spec: FunctionSpec;
  readonly key: string;
  resolve(lease: Lease): void;
  reject(reason: unknown): void;
}

/** An instance as the pool keeps it, from the decision to start it until it is gone. */
export class Instance {
  readonly id: string;
  readonly spec: FunctionSpec;
  readonly key: string;
  /** Stops the start. */
  readonly start = new AbortController();
  /** Those that wait for the start, the one that caused it first. */
  readonly waiters: Set<Waiter>;
  launched: LaunchedFunction | null = null;
  leases = 0;
  /** While it is leased. */
  readonly leased: SharedTime;
  stopping = false;
  /** Within how many milliseconds it was told to stop. */
  stopWithinMs = Number.POSITIVE_INFINITY;
  /** When the last lease was given back; `null` while leased and before the first lease. */
  idleSince: number | null = null;
  /** Larger for instances used later. */
  lastUse = 0;
  /** Until a lease has reported it. */
  coldStart: ColdStart | null = null;
  cancelExpiry: () => void = () => {};
  /** Settles when the instance has left the pool, so that who hears of it gets another one. */
  readonly exited: Promise<Exit>;
  tellExit: (exit: Exit) => void = () => {};

  readonly #clock: () => number;
  readonly #startedAt: number;

  /** @param clock monotonic milliseconds */
  constructor(id: string, cause: Waiter, clock: () => number) {
    this.#clock = clock;
    this.#startedAt = clock();
    this.id = id;
    this.spec = cause.spec;
    this.key = cause.key;
    this.waiters = new Set([cause]);
    this.leased = new SharedTime(clock);
    this.exited = new Promise((resolve) => {
      this.tellExit = resolve;
    });
  }

  get state(): InstanceState {
    if (this.stopping) return "stopping";
    if (this.launched === null) return "starting";
    return this.leases > 0 ? "leased" : "idle";
  }

  get hasRoom(): boolean {
    return !this.stopping && this.load < this.spec.concurrency;
  }

  /** Leases, and those that will be when it has started. */
  get load(): number {
    return this.leases + this.waiters.size;
  }

  /** Whether an acquire should rather get this instance than another. */
  isPreferredTo(other: Instance): boolean {
    const [ready, otherReady] = [this.launched !== null, other.launched !== null];
    if (ready !== otherReady) return ready;
    return this.load === other.load ? this.lastUse > other.lastUse : this.load > other.load;
  }

  get untold(): UntoldTime {
    const now = this.#clock();
    const startMs = this.launched === null ? now - this.#startedAt : (this.coldStart?.totalMs ?? 0);
    return { startMs, idleMs: this.idleSince === null ? 0 : now - this.idleSince };
  }

  report(): InstanceReport {
    const { name, program, memoryMb, vcpus } = this.spec;
    const { limits = null, endpoint = null, pid = null } = this.launched ?? {};
    const { id, state, leases } = this;
    return { id, name, role: program.role, state, memoryMb, vcpus, limits, endpoint, pid, leases };
  }
}
