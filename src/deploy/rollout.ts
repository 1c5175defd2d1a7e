import type { Deployment, Pod } from "../kubernetes/kinds.ts";
import { KNATIVE_SERVICE, type KnativeService, readyCondition } from "../kubernetes/knative-service.ts";
import { CHECKSUM_ANNOTATION } from "./gateway-pod.ts";
import type { GatewaySet } from "./kinds.ts";
import { podHindrance, podTrouble } from "./pod-state.ts";

/** How far the gateways of a deployment are. */
export type Rollout =
  | { readonly type: "done"; readonly gateways: number }
  | { readonly type: "progressing"; readonly step: string; readonly hindrance: Obstacle | null }
  | { readonly type: "failed"; readonly obstacle: Obstacle };

/** What keeps a deployment from being ready; `pod` is `null` where no pod is to blame. */
export interface Obstacle {
  readonly pod: Pod | null;
  readonly reason: string;
}

/** @param pods of gateways, old and new */
export function judgeRollout(gateways: GatewaySet, pods: readonly Pod[]): Rollout {
  const current = currentPods(gateways, pods);
  const judged = isKnative(gateways) ? judgeKnative(gateways, current) : judgeDeployment(gateways);
  if (judged.type === "failed") return judged;
  const obstacle = findHopelessPod(current);
  if (obstacle !== null) return { type: "failed", obstacle };
  return judged.type === "done" ? judged : { ...judged, hindrance: findHindrance(current) };
}

function isKnative(gateways: GatewaySet): gateways is KnativeService {
  return gateways.apiVersion === KNATIVE_SERVICE.apiVersion;
}

function judgeDeployment(deployment: Deployment): Rollout {
  const obstacle = findFailure(deployment);
  if (obstacle !== null) return { type: "failed", obstacle };
  const step = unfinishedStep(deployment);
  if (step === null) return { type: "done", gateways: deployment.spec?.replicas ?? 1 };
  return { type: "progressing", step, hindrance: null };
}

function judgeKnative(service: KnativeService, pods: readonly Pod[]): Rollout {
  const ready = readyCondition(service);
  if (ready?.status === "True") return { type: "done", gateways: pods.length };
  const said = ready?.message ?? ready?.reason ?? "no gateway is ready";
  if (ready?.status === "False") return { type: "failed", obstacle: { pod: null, reason: said } };
  return { type: "progressing", step: said, hindrance: null };
}

const UNSEEN = "waiting for the cluster to see the change";

/** Otherwise its status is about what it was before. */
function isSeen({ metadata, status }: GatewaySet): boolean {
  return (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
}

/** → `null` when every step is done; the words are those of `kubectl rollout status` */
function unfinishedStep(deployment: Deployment): string | null {
  if (!isSeen(deployment)) return UNSEEN;
  const { spec, status = {} } = deployment;
  const wanted = spec?.replicas ?? 1;
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  if (updatedReplicas < wanted) return `${updatedReplicas} of ${wanted} gateways are of this revision`;
  if (replicas > updatedReplicas) return `${replicas - updatedReplicas} old gateways are ending`;
  if (availableReplicas < wanted) return `${availableReplicas} of ${wanted} gateways are ready`;
  return null;
}

function findFailure(deployment: Deployment): Obstacle | null {
  if (!isSeen(deployment)) return null;
  const failure = deployment.status?.conditions?.find(
    ({ type, status: value, reason }) =>
      (type === "ReplicaFailure" && value === "True") ||
      (type === "Progressing" && reason === "ProgressDeadlineExceeded"),
  );
  return failure === undefined ? null : { pod: null, reason: `${failure.reason}: ${failure.message}` };
}

function findHopelessPod(pods: readonly Pod[]): Obstacle | null {
  for (const pod of pods) {
    const reason = podTrouble(pod);
    if (reason !== null) return { pod, reason };
  }
  return null;
}

function findHindrance(pods: readonly Pod[]): Obstacle | null {
  const waiting = pods.find(({ status }) =>
    status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "False"),
  );
  return waiting === undefined ? null : { pod: waiting, reason: podHindrance(waiting) };
}

/** Pods of the present template, but for those that end already. */
function currentPods({ spec }: GatewaySet, pods: readonly Pod[]): readonly Pod[] {
  const checksum = spec?.template.metadata?.annotations?.[CHECKSUM_ANNOTATION];
  return pods.filter(
    ({ metadata }) =>
      metadata?.deletionTimestamp === undefined && metadata?.annotations?.[CHECKSUM_ANNOTATION] === checksum,
  );
}
