import { remoeError } from "../core/errors.ts";
import type { ApiClient } from "./api-client.ts";
import type { Kind } from "./kinds.ts";
import { isRefusal, NOT_FOUND } from "./refusal.ts";

interface ResourceList {
  readonly resources: readonly { readonly name: string; readonly kind: string; readonly namespaced: boolean }[];
}

/** Where the API has which kinds of objects, asked once a group. */
export class Resources {
  readonly #client: ApiClient;
  readonly #groups = new Map<string, Promise<ResourceList>>();

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /**
   * The path of all objects of a kind.
   * @param namespace of a kind that has namespaces
   * @throws KUBERNETES_KIND_UNKNOWN
   */
  async pathOf({ apiVersion, kind }: Kind, namespace: string): Promise<string> {
    const { resources } = await this.#group(apiVersion, kind);
    const found = resources.find(({ kind: its, name }) => its === kind && !name.includes("/"));
    if (found === undefined) throw this.#unknown(apiVersion, kind);
    const scope = found.namespaced ? `/namespaces/${encodeURIComponent(namespace)}` : "";
    return `${groupPath(apiVersion)}${scope}/${found.name}`;
  }

  async #group(apiVersion: string, kind: string): Promise<ResourceList> {
    const known = this.#groups.get(apiVersion) ?? this.#client.call<ResourceList>(discovery(apiVersion));
    this.#groups.set(apiVersion, known);
    try {
      return await known;
    } catch (error) {
      this.#groups.delete(apiVersion); // It may be installed later.
      throw isRefusal(error, NOT_FOUND) ? this.#unknown(apiVersion, kind) : error;
    }
  }

  #unknown(apiVersion: string, kind: string): Error {
    return remoeError("KUBERNETES_KIND_UNKNOWN", { server: this.#client.server, apiVersion, kind });
  }
}

/** Only the core group is not below `/apis`. */
function groupPath(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function discovery(apiVersion: string) {
  return { verb: "get", resource: `the kinds of ${apiVersion}`, method: "GET", path: groupPath(apiVersion) } as const;
}
