import type { Kind, KubernetesObject } from "./kinds.ts";

/** Field manager of everything Remoe writes. */
export const FIELD_MANAGER = "remoe";

/** Label → value; all must match. */
export type Labels = Readonly<Record<string, string>>;

export interface Query {
  readonly labels?: Labels;
  /** As the API has it, e.g. `involvedObject.uid=…`. */
  readonly fieldSelector?: string;
  /** Defaults to the cluster's. */
  readonly namespace?: string;
}

export interface ApplyOptions {
  /** Checks and merges as if, and writes nothing. */
  readonly dryRun?: boolean;
  /** Takes over fields that others manage. Defaults to true. */
  readonly force?: boolean;
}

export interface RemoveOptions {
  readonly namespace?: string;
  /** Defaults to what the object itself says. */
  readonly graceS?: number;
  /** Removes this very object, and nothing that took its name since. */
  readonly uid?: string;
  /** What happens to objects that it owns. Defaults to `Background`. */
  readonly propagation?: "Background" | "Foreground" | "Orphan";
}

export interface LogOptions {
  readonly namespace?: string;
  readonly container?: string;
  /** Goes on until the container ends. */
  readonly follow?: boolean;
  /** Of the container before the last restart. */
  readonly previous?: boolean;
  readonly tailLines?: number;
  readonly signal?: AbortSignal;
}

/** An object came, changed or went; the last state that was seen. */
export interface Change<T> {
  readonly type: "added" | "changed" | "removed";
  readonly object: T;
}

export interface WatchOptions<T> extends Query {
  readonly onChange: (change: Change<T>) => void;
  /** The watch cannot go on for the moment, and tries again. */
  readonly onTrouble?: (error: Error) => void;
}

/** A watch under way. */
export interface Watch {
  /** Resolves when the objects that there were at the start have been told as `added`; rejects when they cannot be listed. */
  readonly ready: Promise<void>;
  close(): void;
}

/**
 * A cluster by its API. Objects are the API's JSON; those that say no namespace are of the cluster's default one.
 * Calls that may be repeated are repeated while the API is unreachable or overloaded.
 *
 * All methods throw KUBERNETES_UNREACHABLE, and KUBERNETES_REFUSED with the API's status and words.
 */
export interface Cluster {
  /** Address of the API, for messages. */
  readonly server: string;
  /** Of objects and queries that name none. */
  readonly namespace: string;
  /** @throws KUBERNETES_REFUSED with status 409 when there is one of that name */
  create<T extends KubernetesObject>(object: T): Promise<T>;
  /** Server-side apply. → the object as it is now */
  apply<T extends KubernetesObject>(object: T, options?: ApplyOptions): Promise<T>;
  /** → `null` when there is none */
  read<T extends KubernetesObject>(kind: Kind<T>, name: string, namespace?: string): Promise<T | null>;
  list<T extends KubernetesObject>(kind: Kind<T>, query?: Query): Promise<readonly T[]>;
  /** Asks for the end of an object, which may take its time. That there is none, or another one, is fine. */
  remove(kind: Kind, name: string, options?: RemoveOptions): Promise<void>;
  /** Tells every change from now on, after all that there is, through interruptions and until it is closed. */
  watch<T extends KubernetesObject>(kind: Kind<T>, options: WatchOptions<T>): Watch;
  /** The lines that a container of a pod wrote. */
  logs(pod: string, options?: LogOptions): AsyncIterable<string>;
  /** Ends watches and connections. */
  close(): void;
}
