import { remoeError } from "../core/errors.ts";
import type { ApiClient } from "./api-client.ts";
import type { Watch, WatchOptions } from "./cluster.ts";
import type { KubernetesObject } from "./kinds.ts";
import { readLines } from "./read-lines.ts";
import { GONE, isRefusal } from "./refusal.ts";

/** The server is asked to end a watch after so long; one that does not is dead without anybody having noticed. */
export const WATCH_S = 300;
const OVERTIME_S = 30;
/** Quiet watches in a row that lengthen the pause before the next one: below a second, for nothing is wrong. */
const MOST_QUIET = 4;

/** All objects as they were at one moment, from which a watch can go on. */
export interface Snapshot<T> {
  readonly objects: readonly T[];
  readonly resourceVersion: string;
}

/** How the objects of a watch are listed, and where their changes are told. */
export interface Watched<T> {
  readonly list: () => Promise<Snapshot<T>>;
  /** Path and query of the changes since a moment. */
  readonly pathSince: (resourceVersion: string) => Promise<string>;
  /** For messages. */
  readonly resource: string;
}

type Line<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; readonly object: T }
  | { readonly type: "ERROR"; readonly object: { readonly code: number; readonly message: string } };

/**
 * Lists, then follows the changes; a broken connection goes on where it broke. Where the API has forgotten that moment it
 * lists again, and what is different then is told as changes.
 */
export class ObjectWatch<T extends KubernetesObject> implements Watch {
  readonly ready: Promise<void>;
  readonly #client: ApiClient;
  readonly #watched: Watched<T>;
  readonly #options: Pick<WatchOptions<T>, "onChange" | "onTrouble">;
  readonly #closing = new AbortController();
  /** By uid. */
  readonly #known = new Map<string, T>();
  /** What has been told; `null` when the API cannot go on from there. */
  #version: string | null = null;

  constructor(client: ApiClient, watched: Watched<T>, options: Pick<WatchOptions<T>, "onChange" | "onTrouble">) {
    this.#client = client;
    this.#watched = watched;
    this.#options = options;
    this.ready = this.#list();
    this.ready.then(
      () => this.#run(),
      () => {},
    );
  }

  close(): void {
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (this.#version === null) await this.#list();
        // Servers end a watch now and then; one that has told nothing meanwhile is not asked again at once.
        failures = (await this.#follow(signal)) ? 0 : Math.min(failures + 1, MOST_QUIET);
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#interrupt(error as Error);
      }
      if (failures > 0) await this.#client.backOff(failures, signal).catch(() => {});
    }
  }

  #interrupt(error: Error): void {
    if (isRefusal(error, GONE)) this.#version = null;
    else this.#options.onTrouble?.(error);
  }

  async #list(): Promise<void> {
    const { objects, resourceVersion } = await this.#watched.list();
    if (this.#closing.signal.aborted) return;
    const listed = new Set(objects.map(uidOf));
    for (const [uid, object] of this.#known) if (!listed.has(uid)) this.#remove(object);
    for (const object of objects) this.#put(object);
    this.#version = resourceVersion;
  }

  /** → whether anything was told until the server ended it */
  async #follow(signal: AbortSignal): Promise<boolean> {
    const { pathSince, resource } = this.#watched;
    const path = await pathSince(this.#version ?? "");
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(1000 * (WATCH_S + OVERTIME_S))]);
    const response = await this.#client.stream({ verb: "watch", resource, method: "GET", path, signal: inTime });
    let heard = false;
    for await (const line of readLines(response)) {
      if (signal.aborted) break;
      this.#hear(JSON.parse(line) as Line<T>);
      heard = true;
    }
    return heard;
  }

  #hear(line: Line<T>): void {
    if (line.type === "ERROR") {
      const { code: status, message: reason } = line.object;
      throw remoeError("KUBERNETES_REFUSED", { status, verb: "watch", resource: this.#watched.resource, reason });
    }
    if (line.type === "DELETED") this.#remove(line.object);
    else if (line.type !== "BOOKMARK") this.#put(line.object);
    this.#version = versionOf(line.object) ?? this.#version;
  }

  #put(object: T): void {
    const known = this.#known.get(uidOf(object));
    if (known !== undefined && versionOf(known) === versionOf(object)) return;
    this.#known.set(uidOf(object), object);
    this.#options.onChange({ type: known === undefined ? "added" : "changed", object });
  }

  #remove(object: T): void {
    if (this.#known.delete(uidOf(object))) this.#options.onChange({ type: "removed", object });
  }
}

function versionOf({ metadata }: KubernetesObject): string | undefined {
  return metadata?.resourceVersion;
}

function uidOf({ metadata }: KubernetesObject): string {
  return metadata?.uid ?? "";
}
