import { setTimeout } from "node:timers/promises";
import type { KubeConfig } from "@kubernetes/client-node";
import { remoeError } from "../core/errors.ts";
import { ApiClient, type Timing } from "./api-client.ts";
import { ApiConnection } from "./api-connection.ts";
import type { Cluster } from "./cluster.ts";
import { KubernetesCluster } from "./kubernetes-cluster.ts";

export interface OpenClusterOptions {
  /** Path of a kubeconfig. Defaults to KUBECONFIG, then `~/.kube/config`, then the service account of this pod. */
  readonly kubeconfig?: string;
  /** Defaults to the kubeconfig's current one. */
  readonly context?: string;
  /** Of objects that say none. Defaults to the context's, else `default`. */
  readonly namespace?: string;
  readonly timing?: Partial<Timing>;
}

/** What the client takes where it finds no configuration. */
const NOWHERE = "http://localhost:8080";

const TIMING: Timing = {
  delay: (ms, signal) => setTimeout(ms, undefined, signal === undefined ? {} : { signal }),
  random: Math.random,
};

/**
 * Opens a cluster; nothing is asked of it yet.
 * @throws KUBERNETES_CLIENT_MISSING, KUBERNETES_CONFIG_MISSING, KUBERNETES_CONFIG_INVALID
 */
export async function openCluster(options: OpenClusterOptions = {}): Promise<Cluster> {
  const config = await loadConfig(options);
  const cluster = config.getCurrentCluster();
  const context = config.getContextObject(config.getCurrentContext());
  if (cluster?.server === NOWHERE) throw remoeError("KUBERNETES_CONFIG_MISSING", {});
  if (cluster === null || context === null) throw invalid(`there is no context '${config.getCurrentContext()}'`);
  const connection = new ApiConnection(config, cluster.server);
  const client = new ApiClient(connection, { ...TIMING, ...options.timing });
  return new KubernetesCluster(client, options.namespace ?? context.namespace ?? "default");
}

async function loadConfig({ kubeconfig, context }: OpenClusterOptions): Promise<KubeConfig> {
  const { KubeConfig } = await loadClient();
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
  } catch (error) {
    throw invalid((error as Error).message, error);
  }
  if (context !== undefined) config.setCurrentContext(context);
  return config;
}

/** Optional, and slow to load: only who uses a cluster pays for it. */
async function loadClient(): Promise<typeof import("@kubernetes/client-node")> {
  try {
    return await import("@kubernetes/client-node");
  } catch (error) {
    throw remoeError("KUBERNETES_CLIENT_MISSING", { reason: (error as Error).message }, error);
  }
}

function invalid(reason: string, cause?: unknown): Error {
  return remoeError("KUBERNETES_CONFIG_INVALID", { reason }, cause);
}
