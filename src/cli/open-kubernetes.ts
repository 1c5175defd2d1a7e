import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { remoeError } from "../core/errors.ts";
import { findInstallation } from "../ggml/installation.ts";
import { CPU_LIBRARY_VARIABLE, cpuLibraryFinding } from "../ggml/probe.ts";
import type { Cluster } from "../kubernetes/cluster.ts";
import { commonLabels, INSTANCE_LABEL } from "../kubernetes/labels.ts";
import type { Leadership } from "../kubernetes/leadership.ts";
import type { Owner } from "../platform/kubernetes/owner.ts";
import type { KubernetesSettings } from "../platform/kubernetes/settings.ts";
import type { Launcher } from "../platform/launcher.ts";

/** What a gateway uses of a cluster. */
export interface OpenKubernetes {
  readonly launcher: Launcher;
  /** Of the history, where gateways share one. */
  readonly turns: Leadership | undefined;
  release(): Promise<void>;
}

export interface OpenKubernetesOptions {
  /** Path of the settings. */
  readonly kubernetesSettings?: string | undefined;
  readonly secret: string;
  readonly keepAliveMs?: number | undefined;
}

/**
 * Opens the cluster that functions will run in: the one this process is in, or that the kubeconfig names.
 * @throws KUBERNETES_*
 */
export async function openKubernetes(options: OpenKubernetesOptions): Promise<OpenKubernetes> {
  // Loading takes half a second, which other platforms should not cost.
  const [{ openCluster }, { createKubernetesLauncher }, { ownPod }, { parseKubernetesSettings }] = await Promise.all([
    import("../kubernetes/open-cluster.ts"),
    import("../platform/kubernetes/kubernetes-launcher.ts"),
    import("../platform/kubernetes/owner.ts"),
    import("../platform/kubernetes/settings.ts"),
  ]);
  const settings = parseKubernetesSettings(...readSettings(options.kubernetesSettings));
  const { namespace } = settings;
  const cluster = await openCluster(namespace === undefined ? {} : { namespace });
  const owner = ownPod(process.env) ?? outside();
  const launcher = await createKubernetesLauncher({
    cluster,
    settings,
    owner,
    secret: options.secret,
    keepAliveMs: options.keepAliveMs,
    modelToken: process.env["REMOE_MODEL_TOKEN"],
    onTrouble: (text) => process.stderr.write(`warning: ${text}\n`),
    environment: { [CPU_LIBRARY_VARIABLE]: cpuLibraryFinding(findInstallation()) },
  }).catch((error: unknown) => {
    cluster.close();
    throw error;
  });
  const turns = await takeTurns(cluster, settings, owner);
  const release = async (): Promise<void> => {
    await turns?.resign();
    cluster.close();
  };
  return { launcher, turns, release };
}

function readSettings(path: string | undefined): [json: unknown, path: string] {
  if (path === undefined) {
    throw remoeError("USAGE_INVALID", {
      problem: "--platform kubernetes needs --kubernetes-settings",
      command: "remoe",
    });
  }
  try {
    return [JSON.parse(readFileSync(path, "utf8")), path];
  } catch (error) {
    throw remoeError("KUBERNETES_SETTINGS_INVALID", { path, problem: (error as Error).message }, error);
  }
}

/** A name for one process at a time, and of characters that labels may have. */
function outside(): Owner {
  const host = hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 40);
  return { type: "outside", name: `${host}-${process.pid}`.replace(/^-+/, "") };
}

async function takeTurns(
  cluster: Cluster,
  { historyLease, labels = {} }: KubernetesSettings,
  { name }: Owner,
): Promise<Leadership | undefined> {
  if (historyLease === undefined) return undefined;
  const { runForLeadership } = await import("../kubernetes/leadership.ts");
  const all = { ...commonLabels(labels[INSTANCE_LABEL] ?? "remoe", "gateway"), ...labels };
  return runForLeadership({ cluster, lease: historyLease, identity: name, labels: all });
}
