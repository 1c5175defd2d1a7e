import type { ExpertSelection } from "../engine/expert-bank.ts";
import type { RemoteFunction, RemoteReplica } from "./protocol.ts";
import type { Replica } from "./replica.ts";

/** A place for one instance of an expert function; a lost instance is replaced in its place. */
interface Place {
  readonly experts: ExpertSelection;
  instanceId: string;
  /** `null` until the instance is ready. */
  replica: Replica | null;
  /** The gateway knows that the instance is lost. */
  reported: boolean;
}

/** One expert function during one request: its instances, and which of them may be asked. */
export class ExpertFunction {
  readonly name: string;
  /** Counts provided instances. */
  version = 0;
  readonly #places: readonly Place[];
  #waiting: (() => void)[] = [];

  constructor({ name, replicas }: RemoteFunction, connect: (replica: RemoteReplica) => Replica | null) {
    this.name = name;
    this.#places = replicas.map((replica) => ({
      experts: replica.experts,
      instanceId: replica.instanceId,
      replica: connect(replica),
      reported: false,
    }));
  }

  get replicaCount(): number {
    return this.#places.length;
  }

  has(layer: number, expert: number): boolean {
    return this.#places.some(({ experts }) => experts[layer]?.includes(expert) === true);
  }

  /** Indices of the places whose instances hold an expert and are not known to fail. */
  trustedPlaces(layer: number, expert: number): number[] {
    return [...this.#places.keys()].filter((index) => {
      const { experts, replica } = this.#places[index] as Place;
      return replica?.isTrusted === true && experts[layer]?.includes(expert) === true;
    });
  }

  /** An instance that holds all these experts and may be asked now, the preferred place first; it must be asked. */
  enter(
    layer: number,
    experts: Iterable<number>,
    { prefer, not }: { prefer: number; not?: Replica },
  ): Entry | undefined {
    const wanted = [...experts];
    const order = [prefer, ...this.#places.keys()];
    for (const index of order) {
      const place = this.#places[index];
      if (place?.replica == null || place.replica === not) continue;
      const held = place.experts[layer] ?? [];
      if (wanted.every((expert) => held.includes(expert)) && place.replica.tryEnter()) {
        return { index, replica: place.replica };
      }
    }
    return undefined;
  }

  /** True the first time a lost instance is noticed. */
  markLost(index: number, replica: Replica): boolean {
    const place = this.#places[index];
    if (place === undefined || place.replica !== replica || place.reported) return false;
    place.reported = true;
    return true;
  }

  /** Another instance, or one that was starting, is ready. */
  provide(index: number, instanceId: string, replica: Replica): void {
    const place = this.#places[index];
    if (place === undefined) return;
    Object.assign(place, { instanceId, replica, reported: false });
    this.version++;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Resolves when an instance was provided after `version`, or after `ms`. @throws the signal's reason */
  async changedSince(version: number, ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0 || this.version !== version) return;
    let end = (): void => {};
    const timer = setTimeout(() => end(), ms);
    try {
      await new Promise<void>((resolve) => {
        end = resolve;
        this.#waiting.push(resolve);
        signal.addEventListener("abort", end, { once: true });
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      this.#waiting = this.#waiting.filter((wake) => wake !== end);
    }
    signal.throwIfAborted();
  }
}

/** Leave to ask an instance. */
export interface Entry {
  readonly index: number;
  readonly replica: Replica;
}
