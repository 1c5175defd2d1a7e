import type { Cluster } from "../kubernetes/cluster.ts";
import { EVENT, type KubernetesEvent, type Pod } from "../kubernetes/kinds.ts";
import { GATEWAY_CONTAINER } from "./gateway-pod.ts";
import { restartsOf } from "./pod-state.ts";
import type { Obstacle } from "./rollout.ts";

const LAST_LINES = 5;
const LAST_EVENTS = 2;

/** What is in the way, with the pod's last words and the cluster's last warnings about it. */
export async function explainObstacle(cluster: Cluster, { pod, reason }: Obstacle): Promise<string> {
  if (pod === null) return reason;
  const [words, warnings] = await Promise.all([lastWords(cluster, pod), lastWarnings(cluster, pod)]);
  return [
    `Pod/${pod.metadata?.name}: ${reason}`,
    ...(words === "" ? [] : [`its last words: ${words}`]),
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join("; ");
}

/** Of the container's last run that ended, or of the present one; a container that never ran said nothing. */
async function lastWords(cluster: Cluster, pod: Pod): Promise<string> {
  const lines: string[] = [];
  const options = { container: GATEWAY_CONTAINER, tailLines: LAST_LINES, previous: restartsOf(pod) > 0 };
  try {
    for await (const line of cluster.logs(pod.metadata?.name ?? "", options)) lines.push(line.trim());
  } catch {
    // The reason is known without them.
  }
  return lines.join(" | ");
}

async function lastWarnings(cluster: Cluster, pod: Pod): Promise<readonly string[]> {
  const events = await cluster.list(EVENT, { fieldSelector: `involvedObject.uid=${pod.metadata?.uid}` });
  return events
    .filter(({ type }) => type === "Warning")
    .toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)))
    .slice(-LAST_EVENTS)
    .map(({ reason, message }) => `${reason}: ${message}`);
}

/** ISO 8601, when an event was last seen. */
export function timeOf({ lastTimestamp, eventTime, metadata }: KubernetesEvent): string {
  return lastTimestamp ?? eventTime ?? metadata?.creationTimestamp ?? "";
}
