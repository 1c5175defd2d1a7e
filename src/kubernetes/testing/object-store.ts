import { randomUUID } from "node:crypto";
import type { KubernetesObject } from "../kinds.ts";

/** An object as the store keeps it. */
export interface StoredObject extends KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: NonNullable<KubernetesObject["metadata"]>;
  readonly spec?: unknown;
  readonly status?: unknown;
}

export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: StoredObject;
  readonly version: number;
}

/** What the API answers instead of doing as it was asked. */
export class StoreRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const DEFAULT_GRACE_S = 30;

/** The objects of an API double by their paths, and what happened to them. */
export class ObjectStore {
  readonly #objects = new Map<string, StoredObject>();
  readonly #listeners = new Set<(event: StoreEvent) => void>();
  #events: StoreEvent[] = [];
  #version = 100;
  /** Moments before it are forgotten. */
  #oldest = 0;

  get version(): number {
    return this.#version;
  }

  /** @param path of the object, e.g. `/api/v1/namespaces/default/pods/main` */
  get(path: string): StoredObject | null {
    return this.#objects.get(path) ?? null;
  }

  /** @param path of all objects of a kind and namespace */
  list(path: string): readonly StoredObject[] {
    return [...this.#objects].filter(([its]) => its.startsWith(`${path}/`)).map(([, object]) => object);
  }

  pathOf(object: StoredObject): string {
    const found = [...this.#objects].find(([, { metadata }]) => metadata.uid === object.metadata.uid);
    return found?.[0] ?? "";
  }

  create(path: string, object: StoredObject): StoredObject {
    if (this.#objects.has(path)) throw new StoreRefusal(409, `${path} already exists`);
    const created = { uid: randomUUID(), creationTimestamp: new Date().toISOString() };
    return this.#put(path, { ...object, metadata: { ...object.metadata, ...created } }, "ADDED");
  }

  /** Replaces an object by what is made of it. */
  update(path: string, change: (object: StoredObject) => StoredObject): StoredObject {
    const object = this.#objects.get(path);
    if (object === undefined) throw new StoreRefusal(404, `${path} not found`);
    return this.#put(path, change(object), "MODIFIED");
  }

  /** A pod that is on a node stays until its kubelet removes it, unless it is given no time. */
  remove(path: string, { graceS, uid }: Removal = {}): StoredObject {
    const object = this.#objects.get(path);
    if (object === undefined) throw new StoreRefusal(404, `${path} not found`);
    if (uid !== undefined && uid !== object.metadata.uid) throw new StoreRefusal(409, `the uid is not ${uid}`);
    const { nodeName, terminationGracePeriodSeconds = DEFAULT_GRACE_S } = (object.spec ?? {}) as PodSpecPart;
    const grace = graceS ?? terminationGracePeriodSeconds;
    if (object.kind === "Pod" && nodeName !== undefined && grace > 0) return this.#markDeleted(path, object, grace);
    this.#objects.delete(path);
    const removed = this.#tell("DELETED", object);
    this.#collect(object);
    return removed;
  }

  /** Events after a moment. @throws 410 */
  since(version: number): readonly StoreEvent[] {
    if (version < this.#oldest) throw new StoreRefusal(410, `too old resource version: ${version} (${this.#oldest})`);
    return this.#events.filter((event) => event.version > version);
  }

  /** As a compaction does: watches can begin only from now on. */
  forget(): void {
    this.#version += 1;
    this.#oldest = this.#version;
    this.#events = [];
  }

  /** → unsubscribe */
  onEvent(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #markDeleted(path: string, object: StoredObject, graceS: number): StoredObject {
    const deletion = { deletionTimestamp: new Date().toISOString(), deletionGracePeriodSeconds: graceS };
    return this.#put(path, { ...object, metadata: { ...object.metadata, ...deletion } }, "MODIFIED");
  }

  /** Owner references: what nobody owns any more goes too. */
  #collect({ metadata: { uid } }: StoredObject): void {
    for (const [path, { metadata }] of this.#objects) {
      if (metadata.ownerReferences?.some((owner) => owner.uid === uid) === true) this.remove(path);
    }
  }

  #put(path: string, object: StoredObject, type: StoreEvent["type"]): StoredObject {
    const told = this.#tell(type, object);
    this.#objects.set(path, told);
    return told;
  }

  #tell(type: StoreEvent["type"], object: StoredObject): StoredObject {
    this.#version += 1;
    const told = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    const event = { type, object: told, version: this.#version };
    this.#events.push(event);
    // Later, as over a network: whoever asked for the change has its answer first.
    setImmediate(() => {
      for (const listener of this.#listeners) listener(event);
    });
    return told;
  }
}

interface Removal {
  readonly graceS?: number | undefined;
  /** Of the very object that is meant. */
  readonly uid?: string | undefined;
}

interface PodSpecPart {
  readonly nodeName?: string;
  readonly terminationGracePeriodSeconds?: number;
}
