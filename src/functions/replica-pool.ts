import { connectExperts } from "../wire/connect-experts.ts";
import type { RemoteReplica, RowTransfer } from "./protocol.ts";
import { Replica } from "./replica.ts";
import { waitAwake } from "./wait-awake.ts";

/** Instances whose connections are kept for later requests. */
const KEPT_REPLICAS = 256;

export interface ReplicaPoolOptions {
  readonly secret: string;
  /** Of the function whose connections these are. */
  readonly vcpus: number;
  readonly fingerprint: string;
  readonly hidden: number;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
}

/** Connections to expert functions, kept from request to request. */
export class ReplicaPool {
  readonly #options: ReplicaPoolOptions;
  /** Least recently used first. */
  readonly #replicas = new Map<string, Replica>();

  constructor(options: ReplicaPoolOptions) {
    this.#options = options;
  }

  /** `null` for an instance that is still starting. */
  get({ instanceId, endpoint }: RemoteReplica, rows: RowTransfer): Replica | null {
    if (endpoint === null) return null;
    const key = `${instanceId} ${rows}`;
    const replica = this.#replicas.get(key) ?? this.#connect(instanceId, endpoint, rows);
    this.#replicas.delete(key);
    this.#replicas.set(key, replica);
    this.#prune();
    return replica;
  }

  #connect(instanceId: string, endpoint: string, rows: RowTransfer): Replica {
    const { secret, vcpus, fingerprint, hidden, clock } = this.#options;
    const rowType = rows === "f16" ? "f16" : "f32";
    const options = { secret, fingerprint, hidden, rowType, ...waitAwake(vcpus) } as const;
    return new Replica(instanceId, connectExperts(endpoint, options), clock);
  }

  #prune(): void {
    for (const [key, replica] of this.#replicas) {
      if (this.#replicas.size <= KEPT_REPLICAS) return;
      this.#replicas.delete(key);
      replica.close();
    }
  }

  close(): void {
    for (const replica of this.#replicas.values()) replica.close();
    this.#replicas.clear();
  }
}
