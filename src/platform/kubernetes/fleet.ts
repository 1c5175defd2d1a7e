import { setTimeout as delay } from "node:timers/promises";
import { isRemoeError } from "../../core/errors.ts";
import type { Change, Cluster, Labels, Watch } from "../../kubernetes/cluster.ts";
import type { Kind, KubernetesObject } from "../../kubernetes/kinds.ts";

/** Between attempts to remove an object while the API does not answer. */
const REMOVAL_PAUSE_MS = 1_000;
/** Given to those that nobody knows any more. */
const STRAY_GRACE_S = 1;

type Listener<T> = (change: Change<T>) => void;

export interface FleetOptions<T extends KubernetesObject> {
  readonly kind: Kind<T>;
  /** That all of them have, and no others. */
  readonly labels: Labels;
  /** Hears when the watch cannot go on for the moment. */
  readonly onTrouble: (text: string) => void;
}

/** The functions of one gateway, each an object of one kind: one watch tells each of them what becomes of it. */
export class Fleet<T extends KubernetesObject> {
  readonly #cluster: Cluster;
  readonly #options: FleetOptions<T>;
  /** By the objects' names. */
  readonly #listeners = new Map<string, Listener<T>>();
  readonly #closing = new AbortController();
  #watch: Watch | null = null;

  constructor(cluster: Cluster, options: FleetOptions<T>) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /** Aborts with the fleet's end. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Objects with these labels that an earlier process left are removed from now on. @throws KUBERNETES_* */
  async open(): Promise<void> {
    const { kind, labels, onTrouble } = this.#options;
    this.#watch = this.#cluster.watch(kind, {
      labels,
      onChange: (change) => this.#hear(change),
      onTrouble: ({ message }) => onTrouble(message),
    });
    await this.#watch.ready;
  }

  /** @param listener hears of the object until it is gone. @throws KUBERNETES_* */
  async create(object: T, listener: Listener<T>): Promise<void> {
    const name = nameOf(object);
    this.#listeners.set(name, listener);
    try {
      await this.#cluster.create(object);
    } catch (error) {
      // If it was made after all, the watch finds an object that nobody knows.
      this.#listeners.delete(name);
      throw error;
    }
  }

  /** Asks for an object's end, until the API has heard it. @throws KUBERNETES_REFUSED */
  async remove(name: string, graceS: number): Promise<void> {
    while (!this.closing.aborted) {
      try {
        return await this.#cluster.remove(this.#options.kind, name, { graceS });
      } catch (error) {
        if (!isRemoeError(error) || error.code !== "KUBERNETES_UNREACHABLE") throw error;
        await delay(REMOVAL_PAUSE_MS, undefined, { ref: false });
      }
    }
  }

  close(): void {
    this.#closing.abort();
    this.#watch?.close();
  }

  #hear(change: Change<T>): void {
    const { type, object } = change;
    const name = nameOf(object);
    const listener = this.#listeners.get(name);
    if (type === "removed") this.#listeners.delete(name);
    if (listener !== undefined) listener(change);
    else if (type !== "removed" && !isLeaving(object)) this.remove(name, STRAY_GRACE_S).catch(() => {});
  }
}

function nameOf({ metadata }: KubernetesObject): string {
  return metadata?.name ?? "";
}

function isLeaving({ metadata }: KubernetesObject): boolean {
  return metadata?.deletionTimestamp !== undefined;
}
