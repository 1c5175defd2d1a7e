import { request as httpRequest, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";

export interface ApiRequest {
  /** As in RBAC, for messages. */
  readonly verb: "get" | "list" | "watch" | "create" | "patch" | "delete";
  /** What it is about, for messages, e.g. `Pod default/main-1`. */
  readonly resource: string;
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** With the query. */
  readonly path: string;
  readonly body?: object;
  /** Of the body. Defaults to JSON. */
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

/** Silence after which the system asks whether the other side is still there: watches may hear nothing for long. */
const KEEP_ALIVE_PROBE_MS = 30_000;

/** Requests to the API with the credentials of a kubeconfig, over connections that are kept. */
export class ApiConnection {
  readonly server: string;
  readonly #config: KubeConfig;
  readonly #agent: Agent;

  constructor(config: KubeConfig, server: string) {
    this.#config = config;
    this.server = server;
    this.#agent = new Agent({ keepAlive: true });
  }

  /** → the answer, whatever its status. @throws what the connection or the login fails with */
  async send({ method, path, body, contentType = "application/json", signal }: ApiRequest): Promise<IncomingMessage> {
    const url = new URL(this.server.replace(/\/$/, "") + path);
    const { headers, ...access } = await this.#access(url);
    const text = body === undefined ? "" : JSON.stringify(body);
    const content =
      body === undefined ? {} : { "content-type": contentType, "content-length": Buffer.byteLength(text) };
    return await new Promise((resolve, reject) => {
      const request = (url.protocol === "http:" ? httpRequest : httpsRequest)(url, {
        ...access,
        method,
        headers: { ...headers, ...content, accept: "application/json" },
        ...(signal === undefined ? {} : { signal }),
      });
      request.once("socket", (socket) => socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS));
      request.once("response", resolve);
      request.on("error", reject);
      request.end(text);
    });
  }

  /** Certificates and tokens may change at any time; connections are shared by requests with the same ones. */
  async #access(url: URL): Promise<RequestOptions> {
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    const { agent, ...access } = options;
    const proxied = this.#config.getCurrentCluster()?.proxyUrl !== undefined;
    if (proxied || url.protocol === "http:") return { ...access, ...(agent === undefined ? {} : { agent }) };
    return { ...access, agent: this.#agent };
  }

  close(): void {
    this.#agent.destroy();
  }
}
