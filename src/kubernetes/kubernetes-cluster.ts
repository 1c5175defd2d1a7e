import type { ApiClient } from "./api-client.ts";
import type { ApiRequest } from "./api-connection.ts";
import {
  type ApplyOptions,
  type Cluster,
  FIELD_MANAGER,
  type Labels,
  type LogOptions,
  type Query,
  type RemoveOptions,
  type Watch,
  type WatchOptions,
} from "./cluster.ts";
import { type Kind, type KubernetesObject, POD } from "./kinds.ts";
import { ObjectWatch, type Snapshot, WATCH_S } from "./object-watch.ts";
import { readLines } from "./read-lines.ts";
import { CONFLICT, isRefusal, NOT_FOUND } from "./refusal.ts";
import { Resources } from "./resources.ts";

interface ObjectList<T> {
  readonly items: readonly T[];
  readonly metadata: { readonly resourceVersion: string };
}

type QueryParameters = Readonly<Record<string, string | number | boolean | undefined>>;

/** The cluster behind an API client. */
export class KubernetesCluster implements Cluster {
  readonly namespace: string;
  readonly #client: ApiClient;
  readonly #resources: Resources;
  readonly #watches = new Set<Watch>();

  constructor(client: ApiClient, namespace: string) {
    this.namespace = namespace;
    this.#client = client;
    this.#resources = new Resources(client);
  }

  get server(): string {
    return this.#client.server;
  }

  async create<T extends KubernetesObject>(object: T): Promise<T> {
    const { kind, resource, namespace } = this.#identify(object);
    const path = (await this.#resources.pathOf(kind, namespace)) + parameters({ fieldManager: FIELD_MANAGER });
    return await this.#client.call({ verb: "create", resource, method: "POST", path, body: object });
  }

  async apply<T extends KubernetesObject>(object: T, { dryRun = false, force = true }: ApplyOptions = {}): Promise<T> {
    const { kind, name, resource, namespace } = this.#identify(object);
    const query = { fieldManager: FIELD_MANAGER, force, dryRun: dryRun ? "All" : undefined };
    const path = (await this.#pathOf(kind, name, namespace)) + parameters(query);
    const contentType = "application/apply-patch+yaml"; // JSON is YAML.
    return await this.#client.call({ verb: "patch", resource, method: "PATCH", path, body: object, contentType });
  }

  async read<T extends KubernetesObject>(kind: Kind<T>, name: string, namespace = this.namespace): Promise<T | null> {
    const path = await this.#pathOf(kind, name, namespace);
    const resource = `${kind.kind} ${namespace}/${name}`;
    return await unlessMissing(this.#client.call<T>({ verb: "get", resource, method: "GET", path }));
  }

  async list<T extends KubernetesObject>(kind: Kind<T>, query: Query = {}): Promise<readonly T[]> {
    return (await this.#list(kind, query)).objects;
  }

  async remove(kind: Kind, name: string, options: RemoveOptions = {}): Promise<void> {
    const { namespace = this.namespace, graceS, uid, propagation = "Background" } = options;
    const path = await this.#pathOf(kind, name, namespace);
    const preconditions = uid === undefined ? undefined : { uid };
    const body = { propagationPolicy: propagation, gracePeriodSeconds: graceS, preconditions };
    const resource = `${kind.kind} ${namespace}/${name}`;
    const request: ApiRequest = { verb: "delete", resource, method: "DELETE", path, body };
    try {
      await unlessMissing(this.#client.call(request));
    } catch (error) {
      if (uid === undefined || !isRefusal(error, CONFLICT)) throw error;
    }
  }

  watch<T extends KubernetesObject>(kind: Kind<T>, { onChange, onTrouble, ...query }: WatchOptions<T>): Watch {
    const pathSince = async (resourceVersion: string): Promise<string> => {
      const following = { watch: true, allowWatchBookmarks: true, timeoutSeconds: WATCH_S, resourceVersion };
      return await this.#listPath(kind, query, following);
    };
    const watched = { list: () => this.#list(kind, query), pathSince, resource: describeQuery(kind, query) };
    const watch = new ObjectWatch<T>(this.#client, watched, { onChange, ...(onTrouble && { onTrouble }) });
    const close = (): void => {
      watch.close();
      this.#watches.delete(watch);
    };
    this.#watches.add(watch);
    return { ready: watch.ready, close };
  }

  async *logs(pod: string, options: LogOptions = {}): AsyncGenerator<string, void, void> {
    const { namespace = this.namespace, signal, ...query } = options;
    const path = `${await this.#pathOf(POD, pod, namespace)}/log${parameters(query)}`;
    const resource = `the log of Pod ${namespace}/${pod}`;
    yield* readLines(
      await this.#client.stream({ verb: "get", resource, method: "GET", path, ...(signal && { signal }) }),
    );
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
    this.#client.close();
  }

  async #list<T extends KubernetesObject>(kind: Kind<T>, query: Query): Promise<Snapshot<T>> {
    const path = await this.#listPath(kind, query, {});
    const resource = describeQuery(kind, query);
    const { items, metadata } = await this.#client.call<ObjectList<T>>({ verb: "list", resource, method: "GET", path });
    const { apiVersion, kind: its } = kind;
    // Lists say it once for all.
    const objects = items.map((item) => ({ apiVersion, kind: its, ...item }));
    return { objects, resourceVersion: metadata.resourceVersion };
  }

  async #listPath(kind: Kind, query: Query, more: QueryParameters): Promise<string> {
    const { labels, fieldSelector, namespace = this.namespace } = query;
    const labelSelector = labels && selector(labels);
    return (await this.#resources.pathOf(kind, namespace)) + parameters({ labelSelector, fieldSelector, ...more });
  }

  async #pathOf(kind: Kind, name: string, namespace: string): Promise<string> {
    return `${await this.#resources.pathOf(kind, namespace)}/${encodeURIComponent(name)}`;
  }

  #identify({ apiVersion = "", kind = "", metadata }: KubernetesObject) {
    const { name = "", namespace = this.namespace } = metadata ?? {};
    return { kind: { apiVersion, kind }, name, namespace, resource: `${kind} ${namespace}/${name}` };
  }
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (isRefusal(error, NOT_FOUND)) return null;
    throw error;
  }
}

function selector(labels: Labels): string {
  return Object.entries(labels)
    .map(([label, value]) => `${label}=${value}`)
    .join(",");
}

function describeQuery({ kind }: Kind, { labels, namespace }: Query): string {
  const place = namespace === undefined ? "" : ` of ${namespace}`;
  return `${kind}s${place}${labels === undefined ? "" : ` with ${selector(labels)}`}`;
}

/** `?a=1&b=2`, without those that are undefined. */
function parameters(query: QueryParameters): string {
  const given = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) given.set(key, String(value));
  return given.size === 0 ? "" : `?${given}`;
}
