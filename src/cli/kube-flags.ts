import { type Command, Option } from "commander";
import { isRemoeError } from "../core/errors.ts";
import type { Cluster } from "../kubernetes/cluster.ts";
import { flag } from "./flag.ts";

/** What {@link addKubeFlags} gives a command's action; spelt as kubectl's. */
export interface KubeFlags {
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
}

/** Adds the name of a deployment and the flags of every command that asks a cluster. */
export function addKubeFlags(command: Command): Command {
  return command
    .argument("[name]", "name of the deployment", "remoe")
    .addOption(flag("-n, --namespace <name>", "namespace of the cluster", { initially: "the context's" }))
    .addOption(
      // REMOE_CONTEXT is the length of a model's context.
      new Option("--context <name>", "context of the kubeconfig (default: the current one)").env("REMOE_KUBE_CONTEXT"),
    )
    .addOption(flag("--kubeconfig <file>", "file that says how to reach clusters", { initially: "as kubectl" }));
}

/**
 * The namespace of objects that no cluster is asked about: there need be none.
 * @throws KUBERNETES_CLIENT_MISSING, KUBERNETES_CONFIG_INVALID
 */
export async function namespaceOf(flags: KubeFlags): Promise<string> {
  try {
    return await withCluster(flags, async ({ namespace }) => namespace);
  } catch (error) {
    if (isRemoeError(error) && error.code === "KUBERNETES_CONFIG_MISSING") return flags.namespace ?? "default";
    throw error;
  }
}

/**
 * Uses a cluster and closes it.
 * @throws KUBERNETES_CLIENT_MISSING, KUBERNETES_CONFIG_MISSING, KUBERNETES_CONFIG_INVALID, and what using it throws
 */
export async function withCluster<Result>(
  { namespace, context, kubeconfig }: KubeFlags,
  use: (cluster: Cluster) => Promise<Result>,
): Promise<Result> {
  const { openCluster } = await import("../kubernetes/open-cluster.ts");
  const cluster = await openCluster({
    ...(namespace === undefined ? {} : { namespace }),
    ...(context === undefined ? {} : { context }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  });
  try {
    return await use(cluster);
  } finally {
    cluster.close();
  }
}
