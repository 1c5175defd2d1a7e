import { setTimeout as delay } from "node:timers/promises";
import { isRemoeError } from "../../core/errors.ts";
import type { Change, Cluster, Labels, Watch } from "../../kubernetes/cluster.ts";
import { POD, type Pod } from "../../kubernetes/kinds.ts";

/** Between attempts to remove a pod while the API does not answer. */
const REMOVAL_PAUSE_MS = 1_000;
/** Given to pods that nobody knows any more. */
const STRAY_GRACE_S = 1;

type Listener = (change: Change<Pod>) => void;

export interface PodFleetOptions {
  /** That all of them have, and no others. */
  readonly labels: Labels;
  /** Hears when the watch cannot go on for the moment. */
  readonly onTrouble: (text: string) => void;
}

/** The pods of one gateway: one watch tells each of them what becomes of it. */
export class PodFleet {
  readonly #cluster: Cluster;
  readonly #options: PodFleetOptions;
  /** By the pods' names. */
  readonly #listeners = new Map<string, Listener>();
  readonly #closing = new AbortController();
  #watch: Watch | null = null;

  constructor(cluster: Cluster, options: PodFleetOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /** Aborts with the fleet's end. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Pods with these labels that an earlier process left are removed from now on. @throws KUBERNETES_* */
  async open(): Promise<void> {
    const { labels, onTrouble } = this.#options;
    this.#watch = this.#cluster.watch(POD, {
      labels,
      onChange: (change) => this.#hear(change),
      onTrouble: ({ message }) => onTrouble(message),
    });
    await this.#watch.ready;
  }

  /** @param listener hears of the pod until it is gone. @throws KUBERNETES_* */
  async create(pod: Pod, listener: Listener): Promise<void> {
    const name = nameOf(pod);
    this.#listeners.set(name, listener);
    try {
      await this.#cluster.create(pod);
    } catch (error) {
      // If it was made after all, the watch finds a pod that nobody knows.
      this.#listeners.delete(name);
      throw error;
    }
  }

  /** Asks for a pod's end, until the API has heard it. @throws KUBERNETES_REFUSED */
  async remove(name: string, graceS: number): Promise<void> {
    while (!this.closing.aborted) {
      try {
        return await this.#cluster.remove(POD, name, { graceS });
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

  #hear(change: Change<Pod>): void {
    const { type, object } = change;
    const name = nameOf(object);
    const listener = this.#listeners.get(name);
    if (type === "removed") this.#listeners.delete(name);
    if (listener !== undefined) listener(change);
    else if (type !== "removed" && !isLeaving(object)) this.remove(name, STRAY_GRACE_S).catch(() => {});
  }
}

function nameOf({ metadata }: Pod): string {
  return metadata?.name ?? "";
}

function isLeaving({ metadata }: Pod): boolean {
  return metadata?.deletionTimestamp !== undefined;
}
