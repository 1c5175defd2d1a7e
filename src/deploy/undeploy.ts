import { remoeError } from "../core/errors.ts";
import type { Cluster } from "../kubernetes/cluster.ts";
import { DEPLOYMENT, type Kind, type KubernetesObject } from "../kubernetes/kinds.ts";
import { KNATIVE_SERVICE } from "../kubernetes/knative-service.ts";
import { commonLabels } from "../kubernetes/labels.ts";
import { DEPLOYED_KINDS, hasKind, REPLICA_SET } from "./kinds.ts";
import { watchObjects } from "./watch-objects.ts";

/** Kinds whose objects make others. */
const MAKERS: readonly Kind[] = [DEPLOYMENT, KNATIVE_SERVICE, REPLICA_SET];

export interface UndeployOptions {
  /** Aborts when the time to wait until everything is gone is over; `null`: only ask for it. */
  readonly late: AbortSignal | null;
  readonly signal: AbortSignal;
}

/**
 * Removes everything of a deployment: what it was made of, its keys and revisions, and the functions of its gateways.
 * Claims and volumes are the user's and stay.
 * @returns names of what was removed
 * @throws DEPLOY_NOT_FOUND, DEPLOY_NOT_GONE at the end of the time, the signal's reason
 */
export async function undeploy(
  cluster: Cluster,
  name: string,
  { late, signal }: UndeployOptions,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const kind of DEPLOYED_KINDS) {
    const names = (await listOwn(cluster, kind, name)).map(({ metadata }) => metadata?.name ?? "");
    // A controller that has not heard of the end yet would make others: it hears while the object still waits for them.
    const propagation = MAKERS.includes(kind) ? "Foreground" : "Background";
    await Promise.all(names.map((each) => cluster.remove(kind, each, { propagation })));
    removed.push(...names.map((each) => `${kind.kind}/${each}`));
  }
  if (removed.length === 0) throw remoeError("DEPLOY_NOT_FOUND", { name, namespace: cluster.namespace });
  if (late !== null) await waitUntilGone(cluster, name, { late, signal });
  return removed;
}

/** Nothing of a kind that the cluster does not know. */
async function listOwn(cluster: Cluster, kind: Kind, name: string): Promise<readonly KubernetesObject[]> {
  return (await hasKind(cluster, kind)) ? cluster.list(kind, { labels: commonLabels(name) }) : [];
}

async function waitUntilGone(
  cluster: Cluster,
  name: string,
  { late, signal }: { readonly late: AbortSignal; readonly signal: AbortSignal },
): Promise<void> {
  const ended = AbortSignal.any([signal, late]);
  for (const kind of DEPLOYED_KINDS) {
    let left = await listOwn(cluster, kind, name);
    if (left.length === 0) continue;
    for await (left of watchObjects(cluster, { kinds: [kind], labels: commonLabels(name) }, ended)) {
      if (left.length === 0) break;
    }
    signal.throwIfAborted();
    if (left.length === 0) continue;
    const objects = left.map(({ metadata }) => `${kind.kind}/${metadata?.name}`).join(", ");
    throw remoeError("DEPLOY_NOT_GONE", { name, objects });
  }
}
