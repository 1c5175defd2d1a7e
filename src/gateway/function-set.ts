import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { isRemoeError, remoeError } from "../core/errors.ts";
import type {
  DoneEvent,
  GenerateRequest,
  LostEvent,
  RemoteFunction,
  RemoteReplica,
  RemoteUsage,
  RowTransfer,
  TokenEvent,
} from "../functions/protocol.ts";
import type { ColdStart } from "../functions/spec.ts";
import { Meter, type Rounding } from "../ledger/meter.ts";
import type { FunctionUsage } from "../ledger/usage.ts";
import type { FunctionSpec, Lease, Platform } from "../platform/platform.ts";
import type { AcquiredFunctions, Generation } from "./acquired-functions.ts";
import type { ConnectedMain } from "./connect-mains.ts";
import type { FunctionSpecs } from "./function-specs.ts";
import { unlessAborted } from "./unless-aborted.ts";

/** How often a request survives the loss of its main function, or of the instance in one place. */
const MOST_RESTARTS = 3;
/** How long a ready main function waits for expert functions that still start; it can do without them. */
const COLD_WAIT_MS = 5_000;

export interface FunctionSetOptions {
  readonly platform: Platform;
  readonly specs: FunctionSpecs;
  readonly connect: (lease: Lease) => ConnectedMain;
  readonly rows: RowTransfer;
  readonly rounding: Rounding;
  /** Held by the main function, in MiB. */
  readonly gpuMemoryMb: number;
}

/** A replica of an expert function in this request: a lost instance is replaced in its place. */
interface Place {
  readonly name: string;
  readonly index: number;
  readonly spec: FunctionSpec;
  lease: Lease | null;
  restarts: number;
}

/** Of all instances that one function of the plan had in this request. */
interface Tally {
  coldStartMs: number;
  /** Warm before this request. */
  idleMs: number;
  readonly leases: Lease[];
}

const NOTHING: Tally = { coldStartMs: 0, idleMs: 0, leases: [] };

/**
 * Acquires what a request needs, all at the same time: a cold start takes as long as the slowest function's.
 * @throws what `Platform.acquire` throws
 */
export async function acquireFunctions(options: FunctionSetOptions, signal: AbortSignal): Promise<AcquiredFunctions> {
  const set = new FunctionSet(options);
  try {
    await set.acquire(signal);
    return set;
  } catch (error) {
    set.release();
    throw error;
  }
}

class FunctionSet implements AcquiredFunctions {
  mainRestarts = 0;
  readonly #options: FunctionSetOptions;
  readonly #places: readonly Place[];
  readonly #tallies = new Map<string, Tally>();
  readonly #mainMeter: Meter;
  readonly #leaving = new AbortController();
  #main: { readonly lease: Lease; readonly client: ConnectedMain } | null = null;
  #coldStart: ColdStart | null = null;
  /** `null` until there is a generation. */
  #generationId: string | null = null;
  /** By main functions that did not come to an end, as far as they had told. */
  readonly #lostUsage: RemoteUsage[] = [];
  /** Of the main function that runs. */
  #usageSoFar: readonly RemoteUsage[] = [];

  constructor(options: FunctionSetOptions) {
    this.#options = options;
    // Each function that is acquired listens to it, and there may be dozens.
    setMaxListeners(0, this.#leaving.signal);
    this.#mainMeter = new Meter(options.rounding);
    this.#places = options.specs.experts.flatMap(({ name, replicas }) =>
      replicas.map((spec, index) => ({ name, index, spec, lease: null, restarts: 0 })),
    );
  }

  get coldStart(): ColdStart | null {
    return this.#coldStart;
  }

  async acquire(signal: AbortSignal): Promise<void> {
    const places = Promise.all(this.#places.map((place) => this.#fill(place)));
    const failed = new Promise<never>((_, reject) => places.catch(reject));
    await unlessAborted(Promise.race([this.#acquireMain(), failed]), signal);
    await unlessAborted(Promise.race([places, waited(COLD_WAIT_MS)]), signal);
  }

  async *generate(generation: Generation, signal: AbortSignal): AsyncGenerator<TokenEvent | DoneEvent, void, void> {
    const generationId = randomUUID();
    this.#generationId = generationId;
    const generated: number[] = [];
    for (;;) {
      const stay = this.#client.time.enter();
      try {
        yield* this.#attempt({ ...generation, generationId, replayTokens: [...generated] }, generated, signal);
        return;
      } catch (error) {
        stay.leave();
        this.#endUntold(stay.ms);
        if (signal.aborted || !isLost(error) || this.mainRestarts === MOST_RESTARTS) throw error;
        await this.#restartMain(signal);
      } finally {
        stay.leave();
      }
    }
  }

  /** One main function's part of the generation. */
  async *#attempt(
    request: Omit<GenerateRequest, "functions" | "rows" | "rounding">,
    generated: number[],
    signal: AbortSignal,
  ): AsyncGenerator<TokenEvent | DoneEvent, void, void> {
    const { rows, rounding } = this.#options;
    const whole = { ...request, functions: this.#remote(), rows, rounding };
    for await (const event of this.#client.generate(whole, signal)) {
      if (event.type === "lost") this.#lost(event);
      else if (event.type === "usage") this.#usageSoFar = event.remote;
      else {
        if (event.type === "token") generated.push(event.token);
        else this.#end(event);
        yield event;
        if (event.type === "done") return;
      }
    }
    throw remoeError("FUNCTION_LOST", { role: "main", reason: "its answer ended without a result" });
  }

  get #client(): ConnectedMain {
    if (this.#main === null) throw new Error("the main function was released");
    return this.#main.client;
  }

  #end(done: DoneEvent): void {
    this.#usageSoFar = done.remote;
    this.#mainMeter.add(done.timings.busyMs);
  }

  /** A main function that is lost, or was not waited for, does not say what it did. */
  #endUntold(busyMs: number): void {
    this.#mainMeter.add(busyMs);
    this.#lostUsage.push(...this.#usageSoFar);
    this.#usageSoFar = [];
  }

  finish(): void {
    if (this.#generationId !== null) void this.#main?.client.finish(this.#generationId);
  }

  usage(): readonly FunctionUsage[] {
    const { specs, gpuMemoryMb } = this.#options;
    const main = this.#usageOf("main", specs.main, { ...this.#mainMeter.totals, gpuMemoryMb });
    const experts = specs.experts.map(({ name, replicas }) => {
      const used = [...this.#lostUsage, ...this.#usageSoFar].filter((each) => each.function === name);
      return this.#usageOf(name, replicas[0] as FunctionSpec, { ...sumUsage(used), gpuMemoryMb: 0 });
    });
    return [main, ...experts];
  }

  #usageOf(
    name: string,
    { memoryMb, vcpus, program }: FunctionSpec,
    used: Pick<FunctionUsage, "invocations" | "busyMs" | "billedMs" | "gpuMemoryMb">,
  ): FunctionUsage {
    const { coldStartMs, idleMs, leases } = this.#tallies.get(name) ?? NOTHING;
    const heldMs = leases.reduce((sum, lease) => sum + lease.heldMs, 0);
    // Instances that this request holds are kept warm for it while they have nothing to do.
    const waitedMs = Math.max(0, heldMs - used.billedMs);
    return { function: name, role: program.role, memoryMb, vcpus, ...used, coldStartMs, idleMs: idleMs + waitedMs };
  }

  release(): void {
    this.#leave((lease) => lease.release());
  }

  putBack(): void {
    this.#leave((lease) => lease.putBack());
  }

  #leave(giveBack: (lease: Lease) => void): void {
    this.#leaving.abort(remoeError("REQUEST_CANCELLED", {}));
    const leases = [this.#main?.lease, ...this.#places.map(({ lease }) => lease)];
    for (const lease of leases) if (lease) giveBack(lease);
  }

  async #acquireMain(): Promise<void> {
    if (this.#main !== null) return;
    const lease = await this.#lease("main", this.#options.specs.main);
    this.#coldStart ??= lease.coldStart;
    this.#main = { lease, client: this.#options.connect(lease) };
  }

  async #restartMain(signal: AbortSignal): Promise<void> {
    this.mainRestarts++;
    this.#main?.lease.discard();
    this.#main = null;
    await unlessAborted(this.#acquireMain(), signal);
  }

  /** A lease that comes after the request is over goes back at once. */
  async #lease(name: string, spec: FunctionSpec): Promise<Lease> {
    const lease = await this.#options.platform.acquire(spec, this.#leaving.signal);
    if (this.#leaving.signal.aborted) {
      lease.release();
      throw this.#leaving.signal.reason;
    }
    const tally = this.#tallies.get(name) ?? { ...NOTHING, leases: [] };
    tally.coldStartMs += lease.coldStart?.totalMs ?? 0;
    tally.idleMs += lease.idleMs;
    tally.leases.push(lease);
    this.#tallies.set(name, tally);
    return lease;
  }

  /** Gets an instance for a place. One that fails to start for passing reasons is left to the main function. */
  async #fill(place: Place): Promise<void> {
    try {
      const lease = await this.#lease(place.name, place.spec);
      place.lease = lease;
      void lease.exited.then(() => this.#replace(place, lease));
      this.#announce(place);
    } catch (error) {
      if (!isRemoeError(error) || error.entry.retryable !== true) throw error;
    }
  }

  #lost({ function: name, index, instanceId }: LostEvent): void {
    const place = this.#places.find((each) => each.name === name && each.index === index);
    if (place === undefined || place.lease === null) return;
    if (place.lease.instanceId === instanceId) void this.#replace(place, place.lease);
    // The news of its successor came before the generation did.
    else this.#announce(place);
  }

  /** Starts another instance in place of a lost one. */
  async #replace(place: Place, lost: Lease): Promise<void> {
    if (place.lease !== lost || this.#leaving.signal.aborted) return;
    place.lease = null;
    lost.discard();
    if (place.restarts === MOST_RESTARTS) return;
    place.restarts++;
    // What cannot be started again, the main function computes itself, or says that it cannot.
    await this.#fill(place).catch(() => {});
  }

  /** Tells the main function of an instance that was not there, or another one, when the generation began. */
  #announce(place: Place): void {
    if (this.#generationId === null) return;
    const { name, index } = place;
    const ready = { generationId: this.#generationId, function: name, index, replica: toReplica(place) };
    void this.#main?.client.provide(ready);
  }

  #remote(): RemoteFunction[] {
    return this.#options.specs.experts.map(({ name }) => ({
      name,
      replicas: this.#places.filter((place) => place.name === name).map(toReplica),
    }));
  }
}

function toReplica({ name, index, spec, lease }: Place): RemoteReplica {
  return {
    instanceId: lease?.instanceId ?? `${name}.${index}`,
    endpoint: lease?.endpoint ?? null,
    experts: spec.program.experts ?? [],
  };
}

function sumUsage(used: readonly RemoteUsage[]): Omit<RemoteUsage, "function"> {
  const sum = (of: (usage: RemoteUsage) => number): number => used.reduce((total, usage) => total + of(usage), 0);
  return {
    invocations: sum(({ invocations }) => invocations),
    busyMs: sum(({ busyMs }) => busyMs),
    billedMs: sum(({ billedMs }) => billedMs),
  };
}

function isLost(error: unknown): boolean {
  return isRemoeError(error) && error.code === "FUNCTION_LOST";
}

function waited(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
