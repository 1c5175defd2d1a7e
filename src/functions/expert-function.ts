import type { ExpertSelection } from "../engine/expert-bank.ts";
import type { RemoteFunction, RemoteReplica } from "./protocol.ts";
import type { Replica } from "./replica.ts";

/** A place for one instance of an expert function; a lost instance is replaced in its place. */
interface Place {
  readonly experts: ExpertSelection;
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
      replica: connect(replica),
      reported: false,
    }));
  }

  get replicaCount(): number {
    return this.#places.length;
  }

  has(layer: number, expert: number): boolean {
    return this.#places.some((_, index) => this.#holds(index, layer, expert));
  }

  /**
   * Indices of the places that hold an expert of this function: those with an instance that is not known to fail, or
   * all if there is none.
   */
  placesOf(layer: number, expert: number): readonly [number, ...number[]] {
    const holding = [...this.#places.keys()].filter((index) => this.#holds(index, layer, expert));
    const trusted = holding.filter((index) => this.#places[index]?.replica?.isTrusted === true);
    return (trusted.length > 0 ? trusted : holding) as [number, ...number[]];
  }

  #holds(index: number, layer: number, expert: number): boolean {
    return this.#places[index]?.experts[layer]?.includes(expert) === true;
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
      if (wanted.every((expert) => this.#holds(index, layer, expert)) && place.replica.tryEnter()) {
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
  provide(index: number, replica: Replica): void {
    const place = this.#places[index];
    if (place === undefined) return;
    Object.assign(place, { replica, reported: false });
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
