import { isRemoeError, remoeError } from "../core/errors.ts";
import type { Cluster } from "../kubernetes/cluster.ts";
import { POD, type Pod } from "../kubernetes/kinds.ts";
import { commonLabels } from "../kubernetes/labels.ts";
import { hasStarted } from "./pod-state.ts";
import { watchObjects } from "./watch-objects.ts";

export interface LogsOptions {
  /** Of the functions, too. */
  readonly functions: boolean;
  /** Lines of each pod that were written before. */
  readonly tailLines: number;
  /** Hears every line, and which pod wrote it. */
  readonly onLine: (pod: string, line: string) => void;
}

/** What the pods of a deployment wrote, one pod after the other. @throws DEPLOY_NOT_FOUND when it has none */
export async function readLogs(cluster: Cluster, name: string, options: LogsOptions): Promise<void> {
  const pods = await cluster.list(POD, { labels: labelsOf(name, options) });
  if (pods.length === 0) throw remoeError("DEPLOY_NOT_FOUND", { name, namespace: cluster.namespace });
  for (const pod of pods.filter(hasStarted)) await readLog(cluster, pod, { ...options, follow: false });
}

/** What the pods of a deployment write until the signal aborts, those that come later included. */
export async function followLogs(
  cluster: Cluster,
  name: string,
  { signal, ...options }: LogsOptions & { readonly signal: AbortSignal },
): Promise<void> {
  const followed = new Map<string, Promise<void>>();
  const query = { kinds: [POD], labels: labelsOf(name, options) };
  for await (const pods of watchObjects(cluster, query, signal)) {
    for (const pod of pods.filter(hasStarted)) {
      const run = `${pod.metadata?.uid} ${pod.status?.containerStatuses?.[0]?.containerID}`;
      if (!followed.has(run)) followed.set(run, readLog(cluster, pod, { ...options, follow: true, signal }));
    }
  }
  await Promise.all(followed.values());
}

function labelsOf(name: string, { functions }: LogsOptions) {
  return commonLabels(name, functions ? undefined : "gateway");
}

async function readLog(
  cluster: Cluster,
  { metadata, spec }: Pod,
  options: Pick<LogsOptions, "tailLines" | "onLine"> & { readonly follow: boolean; readonly signal?: AbortSignal },
): Promise<void> {
  const { tailLines, onLine, follow, signal } = options;
  const pod = metadata?.name ?? "";
  const container = spec?.containers[0]?.name; // Others are put there by the cluster, such as proxies.
  const query = { tailLines, follow, ...(container && { container }), ...(signal && { signal }) };
  try {
    for await (const line of cluster.logs(pod, query)) onLine(pod, line);
  } catch (error) {
    // A pod may go while it is read, and with it its log.
    if (!isRemoeError(error) && signal?.aborted !== true) throw error;
  }
}
