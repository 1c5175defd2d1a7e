import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { KINDS, type KnownKind } from "./known-kinds.ts";
import { mergeApplied } from "./merge-applied.ts";
import { ObjectStore, type StoredObject, type StoreEvent, StoreRefusal } from "./object-store.ts";

/** An answer that the next requests get instead of theirs. */
export interface Fault {
  readonly times: number;
  /** `reset`: the connection breaks. */
  readonly answer: number | "reset";
  readonly headers?: Readonly<Record<string, string>>;
  /** Only such requests, e.g. `POST`. */
  readonly method?: string;
  /** Only such paths, e.g. `/secrets`. */
  readonly path?: string;
}

/** A server that speaks as much of the Kubernetes API as Remoe uses. */
export interface ApiDouble {
  /** Path of a kubeconfig that leads to it. */
  readonly kubeconfig: string;
  readonly store: ObjectStore;
  /** Requests so far, e.g. `GET /api/v1/namespaces/default/pods`. */
  readonly requests: readonly string[];
  fail(fault: Fault): void;
  /** What a container of a pod wrote. */
  setLog(pod: string, log: string): void;
  /** Breaks all connections. */
  disconnect(): void;
  close(): Promise<void>;
}

const NAME = /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/;
const TOKEN = "token-of-the-test";

export async function startApiDouble(): Promise<ApiDouble> {
  const double = new Double();
  const folder = await mkdtemp(join(tmpdir(), "remoe-api-"));
  const server = createServer((request, response) => void double.answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, JSON.stringify(kubeconfigOf((server.address() as AddressInfo).port)));
  return {
    kubeconfig,
    store: double.store,
    requests: double.requests,
    fail: (fault) => void double.faults.push({ ...fault }),
    setLog: (pod, log) => void double.logs.set(pod, log),
    disconnect: () => server.closeAllConnections(),
    async close() {
      server.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true });
    },
  };
}

/** Plain HTTP is accepted by the client only where certificates are not checked. */
function kubeconfigOf(port: number): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "double", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
    users: [{ name: "tester", user: { token: TOKEN } }],
    contexts: [{ name: "double", context: { cluster: "double", user: "tester" } }],
    "current-context": "double",
  };
}

interface Asked {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
}

class Double {
  readonly store = new ObjectStore();
  readonly requests: string[] = [];
  readonly logs = new Map<string, string>();
  faults: (Omit<Fault, "times"> & { times: number })[] = [];
  /** What was applied to an object, by its path. */
  readonly #applied = new Map<string, unknown>();

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "GET", url = "/", headers } = request;
    const { pathname: path, searchParams: query } = new URL(url, "http://api");
    this.requests.push(`${method} ${path}`);
    const body = await text(request);
    try {
      if (headers.authorization !== `Bearer ${TOKEN}`) throw new StoreRefusal(401, "Unauthorized");
      if (this.#failed(method, request.url ?? "", response)) return;
      if (query.get("watch") === "true") this.#watch(path, query, response);
      else if (path.endsWith("/log")) response.end(this.logs.get(path.split("/").at(-2) ?? ""));
      else send(response, this.#act(method, { path, query, body }));
    } catch (error) {
      if (!(error instanceof StoreRefusal)) throw error;
      refuse(response, error);
    }
  }

  #failed(method: string, url: string, response: ServerResponse): boolean {
    const fault = this.faults.find(
      (its) => its.times > 0 && (its.method ?? method) === method && url.includes(its.path ?? ""),
    );
    if (fault === undefined) return false;
    fault.times -= 1;
    if (fault.answer === "reset") response.destroy();
    else refuse(response, new StoreRefusal(fault.answer, "the test wants it so"), fault.headers);
    return true;
  }

  #act(method: string, asked: Asked): object {
    if (method === "POST") return this.#create(asked);
    if (method === "PATCH") return this.#apply(asked);
    if (method === "DELETE") return this.#remove(asked);
    const group = KINDS.filter(({ root }) => root === asked.path);
    if (group.length > 0) return { kind: "APIResourceList", resources: group };
    return kindIn(asked.path) === undefined ? this.#read(asked) : this.#list(asked);
  }

  #create({ path, body }: Asked): object {
    const object = parseObject(body);
    return this.store.create(`${path}/${object.metadata.name}`, inNamespace(object, path));
  }

  #apply({ path, query, body }: Asked): object {
    const applied = parseObject(body);
    const current = this.store.get(path);
    const { resourceVersion = current?.metadata.resourceVersion } = applied.metadata;
    if (resourceVersion !== current?.metadata.resourceVersion) {
      throw new StoreRefusal(409, "the object has been modified");
    }
    const merged = mergeApplied(current ?? {}, this.#applied.get(path), applied) as StoredObject;
    if (query.get("dryRun") === "All") return merged;
    this.#applied.set(path, applied);
    if (current === null) return this.store.create(path, inNamespace(merged, path));
    return this.store.update(path, () => merged);
  }

  #remove({ path, body }: Asked): object {
    const { gracePeriodSeconds, preconditions } = JSON.parse(body || "{}") as DeleteOptions;
    return this.store.remove(path, { graceS: gracePeriodSeconds, uid: preconditions?.uid });
  }

  #read({ path }: Asked): object {
    const found = this.store.get(path);
    if (found === null) throw new StoreRefusal(404, `${path} not found`);
    return found;
  }

  #list({ path, query }: Asked): object {
    const items = this.store.list(path).filter((object) => matches(object, query));
    // As the API does: lists do not repeat the kind in every item.
    const bare = items.map(({ apiVersion: _group, kind: _kind, ...rest }) => rest);
    return { metadata: { resourceVersion: String(this.store.version) }, items: bare };
  }

  #watch(path: string, query: URLSearchParams, response: ServerResponse): void {
    const kind = kindIn(path);
    const past = this.store.since(Number(query.get("resourceVersion")));
    const tell = ({ type, object }: Pick<StoreEvent, "type" | "object">): void => {
      const isBelow = inNamespace(object, path).metadata.namespace === object.metadata.namespace;
      if (!isBelow || !isOf(kind, object) || !matches(object, query)) return;
      response.write(`${JSON.stringify({ type, object })}\n`);
    };
    response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
    for (const event of past) tell(event);
    const told = this.store.version;
    const stop = this.store.onEvent((event) => {
      if (event.version > told) tell(event);
    });
    response.once("close", stop);
  }
}

interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string };
}

function parseObject(body: string): StoredObject {
  const object = JSON.parse(body) as StoredObject;
  if (!NAME.test(object.metadata?.name ?? "")) throw new StoreRefusal(422, "metadata.name: Invalid value");
  return object;
}

function inNamespace(object: StoredObject, path: string): StoredObject {
  const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1];
  return namespace === undefined ? object : { ...object, metadata: { ...object.metadata, namespace } };
}

/** Equality of labels, and of the uid among fields. */
function matches({ metadata }: StoredObject, query: URLSearchParams): boolean {
  const selector = query.get("labelSelector") ?? "";
  const wanted = selector
    .split(",")
    .filter(Boolean)
    .map((part) => part.split("="));
  return wanted.every(([label = "", value]) => metadata.labels?.[label] === value);
}

/** The kind whose objects are all below a path. */
function kindIn(path: string): KnownKind | undefined {
  return KINDS.find(({ root, name }) => path.startsWith(`${root}/`) && path.endsWith(`/${name}`));
}

function isOf(known: KnownKind | undefined, { apiVersion, kind }: StoredObject): boolean {
  return kind === known?.kind && known.root.endsWith(`/${apiVersion}`);
}

function send(response: ServerResponse, body: object): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, { status, message }: StoreRefusal, headers: Fault["headers"] = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ kind: "Status", code: status, message }));
}
