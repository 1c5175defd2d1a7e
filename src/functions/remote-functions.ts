import { isRemoeError, remoeError } from "../core/errors.ts";
import { writePreSummed } from "../engine/pre-summed.ts";
import type { RoutedRows } from "../engine/routing.ts";
import type { RemoteCall, RemoteExperts } from "../engine/runtime.ts";
import { Meter, type Rounding } from "../ledger/meter.ts";
import type { ExpertCall, ExpertReply } from "../wire/expert-call.ts";
import { type CallPart, splitByInstance, toExpertCall } from "./call-parts.ts";
import { type Entry, ExpertFunction } from "./expert-function.ts";
import type { FaultCounts, LostEvent, RemoteFunction, RemoteReplica, RemoteUsage, RowTransfer } from "./protocol.ts";
import { hedge, type Replica } from "./replica.ts";

/**
 * What happens when an expert function fails, in this order: the call goes to another replica, the gateway is asked for
 * another instance and gets this long, then the main function reads the experts from the model file. If it has no room
 * for them, it waits for the instance after all.
 */
const RESTART_WAIT_MS = 1_000;
const GIVE_UP_MS = 30_000;

export interface RemoteFunctionsOptions {
  readonly functions: readonly RemoteFunction[];
  readonly rows: RowTransfer;
  readonly rounding: Rounding;
  readonly hidden: number;
  readonly connect: (replica: RemoteReplica) => Replica | null;
  /** Takes experts over that nobody else has. */
  readonly adopted: RemoteExperts;
  readonly onLost: (event: LostEvent) => void;
  readonly signal: AbortSignal;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
}

/** The expert functions of one request: sends rows where their experts are, and gets them whatever fails there. */
export class RemoteFunctions implements RemoteExperts {
  readonly #options: RemoteFunctionsOptions;
  readonly #functions: readonly ExpertFunction[];
  readonly #meters = new Map<string, Meter>();
  readonly #counts = { failedCalls: 0, hedgedCalls: 0, lostReplicas: 0 };
  /** Functions that are waited for, until when; later calls do not wait again. */
  readonly #waitUntil = new Map<ExpertFunction, number>();
  /** By layer and expert. */
  readonly #homes = new Map<number, ExpertFunction>();

  constructor(options: RemoteFunctionsOptions) {
    this.#options = options;
    this.#functions = options.functions.map((each) => new ExpertFunction(each, options.connect));
    for (const { name } of options.functions) this.#meters.set(name, new Meter(options.rounding));
  }

  get usage(): RemoteUsage[] {
    return [...this.#meters].map(([name, { totals }]) => ({ function: name, ...totals }));
  }

  get faults(): Omit<FaultCounts, "adoptedExperts"> {
    return { ...this.#counts };
  }

  /** An instance is ready now. */
  provide(name: string, index: number, replica: RemoteReplica): void {
    const to = this.#functions.find((each) => each.name === name);
    const connected = this.#options.connect(replica);
    if (to === undefined || connected === null) return;
    this.#waitUntil.delete(to);
    to.provide(index, connected);
  }

  /** @throws EXPERTS_UNAVAILABLE when neither functions nor this one can compute the rows */
  async compute(call: RemoteCall): Promise<void> {
    const parts = splitByInstance(call, (expert) => this.#homeOf(call.layer, expert));
    await Promise.all(parts.map((part) => this.#computePart(call, part)));
  }

  #homeOf(layer: number, expert: number): ExpertFunction {
    const key = layer * 65_536 + expert;
    const known = this.#homes.get(key);
    if (known !== undefined) return known;
    const home = this.#functions.find((each) => each.has(layer, expert));
    if (home === undefined) {
      throw remoeError("EXPERT_CALL_INVALID", { problem: `no function holds expert ${expert} of layer ${layer}` });
    }
    this.#homes.set(key, home);
    return home;
  }

  async #computePart(call: RemoteCall, part: CallPart): Promise<void> {
    const summed = this.#options.rows === "summed";
    const wired = toExpertCall(call, part.rows, { hidden: this.#options.hidden, summed });
    const reply = await this.#ask(wired, part);
    if (reply === null) await this.#adopt(call, wired, part);
    else this.#place(reply, call, { ...part.rows, tokens: wired.tokens });
  }

  /** `routed`: the part's rows, with tokens counted as the wire did. */
  #place({ rows }: ExpertReply, call: RemoteCall, routed: RoutedRows): void {
    if (this.#options.rows === "summed") {
      writePreSummed({ ...call, rows: routed }, rows);
      return;
    }
    const { hidden } = this.#options;
    for (const [row, slot] of routed.slots.entries()) {
      call.outputs.set(rows.subarray(row * hidden, (row + 1) * hidden), slot * hidden);
    }
  }

  /** Asks instances until one answers; after the last of them failed, waits once for a new one. → null if none did */
  async #ask(call: ExpertCall, part: CallPart): Promise<ExpertReply | null> {
    const { clock, signal } = this.#options;
    const asked = part.to.version;
    const reply = await this.#askReplicas(call, part);
    if (reply !== null) return reply;
    const until = this.#waitUntil.get(part.to) ?? clock() + RESTART_WAIT_MS;
    this.#waitUntil.set(part.to, until);
    await part.to.changedSince(asked, until - clock(), signal);
    return this.#askReplicas(call, part);
  }

  async #askReplicas(call: ExpertCall, part: CallPart): Promise<ExpertReply | null> {
    const { signal } = this.#options;
    for (;;) {
      const entry = part.to.enter(call.layer, call.experts, { prefer: part.place });
      if (entry === undefined) return null;
      try {
        return await this.#askOne(call, part, entry);
      } catch (error) {
        signal.throwIfAborted();
        this.#counts.failedCalls++;
        if (!entry.replica.isTrusted) this.#reportLost(part.to, entry, error);
      }
    }
  }

  #askOne(call: ExpertCall, { to }: CallPart, { replica }: Entry): Promise<ExpertReply> {
    const options = { signal: this.#options.signal, meter: this.#meters.get(to.name) as Meter };
    if (to.replicaCount === 1) return replica.attempt(call, options);
    const second = (): Replica | undefined => to.enter(call.layer, call.experts, { prefer: 0, not: replica })?.replica;
    const onHedge = (): void => {
      this.#counts.hedgedCalls++;
    };
    return hedge(call, { first: replica, second, onHedge }, options);
  }

  #reportLost(to: ExpertFunction, { index, replica }: Entry, error: unknown): void {
    if (!to.markLost(index, replica)) return;
    this.#counts.lostReplicas++;
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.onLost({ type: "lost", function: to.name, index, instanceId: replica.instanceId, reason });
  }

  /** The main function computes the rows itself. */
  async #adopt(call: RemoteCall, wired: ExpertCall, part: CallPart): Promise<void> {
    try {
      await this.#options.adopted.compute({ ...call, rows: part.rows });
    } catch (error) {
      if (!isRemoeError(error) || error.code !== "EXPERT_MEMORY_TOO_SMALL") throw error;
      await part.to.changedSince(part.to.version, GIVE_UP_MS, this.#options.signal);
      const reply = await this.#askReplicas(wired, part);
      if (reply === null) throw unavailable(call, part, error);
      this.#place(reply, call, { ...part.rows, tokens: wired.tokens });
    }
  }
}

function unavailable({ layer }: RemoteCall, { to }: CallPart, cause: Error): Error {
  return remoeError("EXPERTS_UNAVAILABLE", { layer, function: to.name, reason: cause.message }, cause);
}
