import { isRemoeError, type RemoeError, remoeError } from "../core/errors.ts";
import { ExpectedStarts } from "./expected-starts.ts";
import { Instance, type Waiter } from "./instance.ts";
import type { LaunchedFunction, Launcher } from "./launcher.ts";
import type { Exit, FunctionSpec, InstanceReport, Lease, Platform, PlatformEvent } from "./platform.ts";
import { createSpecKeys } from "./spec-key.ts";

/** Runs an action after some milliseconds, unless it is cancelled; → cancel */
export type Schedule = (ms: number, action: () => void) => () => void;

export interface PlatformOptions {
  /** How long an instance without a lease stays warm. Defaults to 10 minutes; `Infinity`: until the platform closes. */
  readonly keepAliveMs?: number;
  /** Instances that may exist at the same time, ending ones included. Defaults to no limit. */
  readonly maxInstances?: number;
  /**
   * Memory of all instances together, in MiB, that idle ones may not stand in the way of: the least recently used are
   * stopped before more is started. Leased ones are let be, however much they have. Defaults to no limit.
   */
  readonly idleAboveMb?: number;
  /** Monotonic milliseconds. */
  readonly clock?: () => number;
  readonly schedule?: Schedule;
}

export const DEFAULT_KEEP_ALIVE_MS = 10 * 60_000;
/** An instance without leases has no work to finish. */
const IDLE_STOP_MS = 5_000;
const LONGEST_ID_NAME = 40;
/** The longest delay a timer takes; longer ones would run out at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Makes a platform of something that can start instances: it keeps them warm, shares them by lease and stops those
 * nobody needs. An acquire is answered by a warm instance with room, else by a start under way that will have room, else
 * by a new start; at the limit of instances an idle one makes place, else acquires wait their turn. Among several the
 * fullest is taken, then the most recently used: work that is done together costs less, and the others may go idle and
 * expire.
 */
export function createPlatform(launcher: Launcher, options: PlatformOptions = {}): Platform {
  return new InstancePool(launcher, options);
}

class InstancePool implements Platform {
  readonly name: string;
  readonly #launcher: Launcher;
  readonly #starts: ExpectedStarts;
  readonly #keepAliveMs: number;
  readonly #maxInstances: number;
  readonly #idleAboveMb: number;
  readonly #clock: () => number;
  readonly #schedule: Schedule;
  readonly #keyOf = createSpecKeys();
  readonly #listeners = new Set<(event: PlatformEvent) => void>();
  readonly #instances = new Set<Instance>();
  /** Acquires that no instance has room for yet, oldest first. */
  readonly #queue = new Set<Waiter>();
  #started = 0;
  #uses = 0;
  #closing: Promise<void> | null = null;

  constructor(launcher: Launcher, options: PlatformOptions) {
    this.name = launcher.name;
    this.#launcher = launcher;
    this.#starts = new ExpectedStarts(launcher);
    this.#keepAliveMs = options.keepAliveMs ?? DEFAULT_KEEP_ALIVE_MS;
    this.#maxInstances = options.maxInstances ?? Number.POSITIVE_INFINITY;
    this.#idleAboveMb = options.idleAboveMb ?? Number.POSITIVE_INFINITY;
    this.#clock = options.clock ?? (() => performance.now());
    this.#schedule = options.schedule ?? scheduleTimer;
  }

  async acquire(spec: FunctionSpec, signal?: AbortSignal): Promise<Lease> {
    signal?.throwIfAborted();
    if (this.#closing !== null) throw shuttingDown();
    let abort: () => void = () => {};
    const lease = new Promise<Lease>((resolve, reject) => {
      const waiter: Waiter = { spec, key: this.#keyOf(spec), resolve, reject };
      abort = () => this.#leave(waiter, signal?.reason);
      signal?.addEventListener("abort", abort);
      this.#queue.add(waiter);
      this.#serve();
    });
    return await lease.finally(() => signal?.removeEventListener("abort", abort));
  }

  expectStart(): () => void {
    return this.#closing === null ? this.#starts.expect() : () => {};
  }

  isWarm(spec: FunctionSpec): boolean {
    const key = this.#keyOf(spec);
    const found = this.#find(key);
    return found !== null && found.launched !== null;
  }

  list(): readonly InstanceReport[] {
    return [...this.#instances].map((instance) => instance.report());
  }

  onEvent(listener: (event: PlatformEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#shutDown(deadlineMs);
    return this.#closing;
  }

  async #shutDown(deadlineMs: number): Promise<void> {
    const instances = [...this.#instances];
    const waiters = [...this.#queue, ...instances.flatMap((instance) => [...instance.waiters])];
    this.#queue.clear();
    for (const waiter of waiters) waiter.reject(shuttingDown());
    for (const instance of instances) this.#stop(instance, deadlineMs);
    await Promise.all([this.#starts.close(), ...instances.map((instance) => instance.exited)]);
    await this.#launcher.close();
  }

  /** Gives those in the queue what there is now. Whoever stays can count on one of the instances that are ending. */
  #serve(): void {
    let ending = [...this.#instances].filter(({ stopping }) => stopping).length;
    for (const waiter of this.#queue) {
      const instance = this.#find(waiter.key);
      if (instance !== null) this.#admit(instance, waiter);
      else if (this.#instances.size < this.#maxInstances) this.#start(waiter);
      else if (ending > 0) ending -= 1;
      else this.#evict();
    }
  }

  /** The instance that a spec's next lease should be of. */
  #find(key: string): Instance | null {
    let best: Instance | null = null;
    for (const instance of this.#instances) {
      const fits = instance.key === key && instance.hasRoom;
      if (fits && (best === null || instance.isPreferredTo(best))) best = instance;
    }
    return best;
  }

  /** Stops the idle instance that was used the longest ago. → whether there was one */
  #evict(): boolean {
    let oldest: Instance | null = null;
    for (const instance of this.#instances) {
      if (instance.state === "idle" && (oldest === null || instance.lastUse < oldest.lastUse)) oldest = instance;
    }
    if (oldest !== null) this.#stop(oldest, IDLE_STOP_MS);
    return oldest !== null;
  }

  /** Idle instances make room for one of so much memory. */
  #makeRoom(memoryMb: number): void {
    const usedMb = (): number =>
      [...this.#instances].reduce((sum, { stopping, spec }) => sum + (stopping ? 0 : spec.memoryMb), 0);
    while (usedMb() + memoryMb > this.#idleAboveMb && this.#evict());
  }

  #admit(instance: Instance, waiter: Waiter): void {
    this.#queue.delete(waiter);
    if (instance.launched === null) instance.waiters.add(waiter);
    else this.#grant(instance, instance.launched, waiter);
  }

  #start(cause: Waiter): void {
    this.#queue.delete(cause);
    this.#makeRoom(cause.spec.memoryMb);
    this.#started += 1;
    const instance = new Instance(instanceId(cause.spec.name, this.#started), cause, this.#clock);
    this.#instances.add(instance);
    this.#emit("starting", instance);
    void this.#run(instance);
  }

  async #run(instance: Instance): Promise<void> {
    const exit = await this.#untilExit(instance);
    instance.stopping = true;
    instance.cancelExpiry();
    instance.leased.end();
    this.#instances.delete(instance);
    this.#tell({ type: "exited", instance: instance.report(), exit, untold: instance.untold });
    instance.tellExit(exit);
    this.#serve();
  }

  async #untilExit(instance: Instance): Promise<Exit> {
    let launched: LaunchedFunction;
    try {
      launched = await this.#starts.launch(instance.spec, instance.id, instance.start.signal);
    } catch (cause) {
      const error = startError(cause, instance.spec);
      for (const waiter of instance.waiters) waiter.reject(error);
      return exitOfStart(error, instance.start.signal.aborted);
    }
    this.#becomeReady(instance, launched);
    return await launched.exited;
  }

  #becomeReady(instance: Instance, launched: LaunchedFunction): void {
    instance.launched = launched;
    instance.coldStart = launched.coldStart;
    if (instance.stopping) return void launched.stop(0);
    const waiters = [...instance.waiters];
    instance.waiters.clear();
    this.#emit("ready", instance);
    for (const waiter of waiters) this.#grant(instance, launched, waiter);
  }

  #grant(instance: Instance, launched: LaunchedFunction, { spec, resolve }: Waiter): void {
    instance.cancelExpiry();
    const { coldStart, idleSince } = instance;
    const grantedAt = this.#clock();
    instance.coldStart = null;
    instance.idleSince = null;
    instance.leases += 1;
    this.#touch(instance);
    this.#emit("leased", instance);
    const { endpoint, pid } = launched;
    const stay = instance.leased.enter();
    const giveBack = once((how: "used" | "unused" | "broken") => {
      stay.leave();
      if (how === "unused") instance.coldStart ??= coldStart;
      this.#giveBack(instance, how === "broken");
      if (how === "unused" && instance.idleSince !== null) instance.idleSince = idleSince ?? grantedAt;
    });
    resolve({
      instanceId: instance.id,
      spec,
      endpoint,
      pid,
      coldStart,
      idleMs: idleSince === null ? 0 : grantedAt - idleSince,
      get heldMs() {
        return stay.ms;
      },
      exited: instance.exited,
      release: () => giveBack("used"),
      putBack: () => giveBack("unused"),
      discard: () => giveBack("broken"),
    });
  }

  #giveBack(instance: Instance, broken: boolean): void {
    instance.leases -= 1;
    if (!this.#instances.has(instance)) return;
    this.#touch(instance);
    this.#emit("released", instance);
    if (broken) this.#stop(instance, 0);
    else if (instance.state === "idle") this.#keepWarm(instance);
    this.#serve();
  }

  #keepWarm(instance: Instance): void {
    instance.idleSince = this.#clock();
    instance.cancelExpiry = this.#schedule(this.#keepAliveMs, () => {
      this.#emit("expired", instance);
      this.#stop(instance, IDLE_STOP_MS);
    });
  }

  /** An acquire that nobody waits for any more; a start that nobody waits for is stopped. */
  #leave(waiter: Waiter, reason: unknown): void {
    waiter.reject(reason);
    this.#queue.delete(waiter);
    for (const instance of this.#instances) {
      if (instance.waiters.delete(waiter) && instance.waiters.size === 0) this.#stop(instance, 0);
    }
  }

  /** A stop under way is only ever hastened. */
  #stop(instance: Instance, deadlineMs: number): void {
    if (deadlineMs >= instance.stopWithinMs) return;
    instance.stopWithinMs = deadlineMs;
    instance.stopping = true;
    instance.cancelExpiry();
    if (instance.launched === null) instance.start.abort();
    else void instance.launched.stop(deadlineMs);
  }

  #touch(instance: Instance): void {
    this.#uses += 1;
    instance.lastUse = this.#uses;
  }

  #emit(type: Exclude<PlatformEvent["type"], "exited">, instance: Instance): void {
    this.#tell({ type, instance: instance.report() });
  }

  #tell(event: PlatformEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function startError(cause: unknown, { program }: FunctionSpec): RemoeError {
  if (isRemoeError(cause)) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return remoeError("FUNCTION_START_FAILED", { role: program.role, reason }, cause);
}

function exitOfStart({ code, message }: RemoeError, aborted: boolean): Exit {
  if (aborted) return { reason: "stopped", description: "nobody waited for its start any more" };
  return { reason: code === "FUNCTION_OUT_OF_MEMORY" ? "out-of-memory" : "crashed", description: message };
}

/** Instances name files and containers, which bounds what a name may be. */
function instanceId(name: string, count: number): string {
  return `${name.replaceAll(/[^\w-]/g, "_").slice(0, LONGEST_ID_NAME)}.${count}`;
}

function shuttingDown(): RemoeError {
  return remoeError("SHUTTING_DOWN", { retryAfterS: 1 });
}

/** Timers alone do not keep the process alive. */
function scheduleTimer(ms: number, action: () => void): () => void {
  if (ms > LONGEST_TIMER_MS) return () => {};
  const timer = setTimeout(action, ms).unref();
  return () => clearTimeout(timer);
}

function once<T>(action: (argument: T) => void): (argument: T) => void {
  let called = false;
  return (argument) => {
    if (called) return;
    called = true;
    action(argument);
  };
}
