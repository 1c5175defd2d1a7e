import { remoeError } from "../core/errors.ts";
import type { Cluster } from "../kubernetes/cluster.ts";
import { EVENT, type KubernetesEvent, POD, type Pod } from "../kubernetes/kinds.ts";
import { COMPONENT_LABEL, commonLabels, FUNCTION_ANNOTATION, ROLE_LABEL } from "../kubernetes/labels.ts";
import { timeOf } from "./explain-obstacle.ts";
import { type GatewaySet, gatewayKind } from "./kinds.ts";
import { isReady, memoryLimitMb, podState, restartsOf } from "./pod-state.ts";
import type { Revision } from "./revision.ts";
import { listRevisions } from "./revisions.ts";
import { judgeRollout } from "./rollout.ts";

/** A deployment as it is now. */
export interface DeploymentStatus {
  readonly name: string;
  readonly namespace: string;
  /** The latest; `null` where somebody removed the records. */
  readonly revision: Omit<Revision, "objects"> | null;
  readonly rollout: RolloutReport;
  readonly gateways: readonly PodReport[];
  readonly functions: readonly PodReport[];
  /** The last of the cluster about it, newest last. */
  readonly warnings: readonly WarningReport[];
}

export interface RolloutReport {
  readonly state: "done" | "progressing" | "failed" | "missing";
  readonly description: string;
}

export interface PodReport {
  readonly pod: string;
  /** `gateway`, `main` or `experts`. */
  readonly role: string;
  /** The function's name, as in bills; `null` of a gateway. */
  readonly function: string | null;
  /** As `kubectl get pods` has it. */
  readonly state: string;
  readonly ready: boolean;
  readonly restarts: number;
  /** Its limit in MiB; `null`: none. */
  readonly memoryMb: number | null;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly node: string | null;
}

export interface WarningReport {
  /** E.g. `Pod/chat-7d9`. */
  readonly object: string;
  readonly reason: string;
  readonly message: string;
  /** ISO 8601, when it was last seen. */
  readonly at: string;
}

const LAST_WARNINGS = 5;

/** @throws DEPLOY_NOT_FOUND */
export async function readStatus(cluster: Cluster, name: string): Promise<DeploymentStatus> {
  const [pods, revisions, events] = await Promise.all([
    cluster.list(POD, { labels: commonLabels(name) }),
    listRevisions(cluster, name),
    cluster.list(EVENT),
  ]);
  const latest = revisions.at(-1);
  const set = await cluster.read(gatewayKind(latest?.objects ?? []), name);
  const { namespace } = cluster;
  if (set === null && latest === undefined) throw remoeError("DEPLOY_NOT_FOUND", { name, namespace });
  const gateways = pods.filter(isGateway);
  return {
    name,
    namespace,
    revision: latest === undefined ? null : summarise(latest),
    rollout: describeRollout(set, gateways),
    gateways: gateways.map(reportPod),
    functions: pods.filter((pod) => !isGateway(pod)).map(reportPod),
    warnings: lastWarnings(events, { name, pods }),
  };
}

function summarise({ objects: _objects, ...rest }: Revision): Omit<Revision, "objects"> {
  return rest;
}

function isGateway({ metadata }: Pod): boolean {
  return metadata?.labels?.[COMPONENT_LABEL] === "gateway";
}

function describeRollout(set: GatewaySet | null, gateways: readonly Pod[]): RolloutReport {
  if (set === null) return { state: "missing", description: "nothing starts gateways" };
  const rollout = judgeRollout(set, gateways);
  if (rollout.type === "done") return { state: "done", description: `ready gateways: ${rollout.gateways}` };
  if (rollout.type === "failed") return { state: "failed", description: rollout.obstacle.reason };
  return { state: "progressing", description: rollout.step };
}

function reportPod(pod: Pod): PodReport {
  const { metadata, spec } = pod;
  return {
    pod: metadata?.name ?? "",
    role: metadata?.labels?.[ROLE_LABEL] ?? "gateway",
    function: metadata?.annotations?.[FUNCTION_ANNOTATION] ?? null,
    state: podState(pod),
    ready: isReady(pod),
    restarts: restartsOf(pod),
    memoryMb: memoryLimitMb(pod),
    createdAt: metadata?.creationTimestamp ?? "",
    node: spec?.nodeName ?? null,
  };
}

function lastWarnings(
  events: readonly KubernetesEvent[],
  { name, pods }: { readonly name: string; readonly pods: readonly Pod[] },
): readonly WarningReport[] {
  const uids = new Set(pods.map(({ metadata }) => metadata?.uid));
  const replicaSet = new RegExp(`^${name}-[a-z0-9]+$`); // A Deployment names them so.
  const isAbout = ({ involvedObject: { kind, name: its, uid } }: KubernetesEvent): boolean =>
    uids.has(uid) || (kind === "Deployment" && its === name) || (kind === "ReplicaSet" && replicaSet.test(its ?? ""));
  return events
    .filter((event) => event.type === "Warning" && isAbout(event))
    .toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)))
    .slice(-LAST_WARNINGS)
    .map((event) => ({
      object: `${event.involvedObject.kind}/${event.involvedObject.name}`,
      reason: event.reason ?? "",
      message: event.message ?? "",
      at: timeOf(event),
    }));
}
