import type { V1PodDisruptionBudget, V1ReplicaSet } from "@kubernetes/client-node";
import { isRemoeError } from "../core/errors.ts";
import type { Cluster } from "../kubernetes/cluster.ts";
import {
  CONFIG_MAP,
  DEPLOYMENT,
  type Deployment,
  type Kind,
  type KubernetesObject,
  LEASE,
  NETWORK_POLICY,
  POD,
  ROLE,
  ROLE_BINDING,
  SECRET,
  SERVICE,
  SERVICE_ACCOUNT,
} from "../kubernetes/kinds.ts";
import { KNATIVE_SERVICE, type KnativeService } from "../kubernetes/knative-service.ts";
import type { Plain } from "../kubernetes/plain.ts";

export const REPLICA_SET: Kind<Plain<V1ReplicaSet>> = { apiVersion: "apps/v1", kind: "ReplicaSet" };

export type DisruptionBudget = Plain<V1PodDisruptionBudget>;

/** In the API since Kubernetes 1.21. */
export const DISRUPTION_BUDGET: Kind<DisruptionBudget> = { apiVersion: "policy/v1", kind: "PodDisruptionBudget" };

/** What starts the gateways of a deployment. */
export type GatewaySet = Deployment | KnativeService;

/** Of which kind a deployment of these objects has its gateways. */
export function gatewayKind(objects: readonly KubernetesObject[]): Kind<GatewaySet> {
  const isKnative = objects.some(({ apiVersion }) => apiVersion === KNATIVE_SERVICE.apiVersion);
  return isKnative ? KNATIVE_SERVICE : DEPLOYMENT;
}

/**
 * Every kind that a deployment may have objects of, in the order of their removal: what makes others first. Claims are
 * not among them: they are the user's.
 */
export const DEPLOYED_KINDS: readonly Kind[] = [
  DEPLOYMENT,
  KNATIVE_SERVICE,
  REPLICA_SET,
  POD,
  SERVICE,
  DISRUPTION_BUDGET,
  NETWORK_POLICY,
  ROLE_BINDING,
  ROLE,
  SERVICE_ACCOUNT,
  LEASE,
  SECRET,
  CONFIG_MAP,
];

/** Whether a cluster knows a kind of objects. */
export async function hasKind(cluster: Cluster, kind: Kind): Promise<boolean> {
  try {
    await cluster.list(kind);
    return true;
  } catch (error) {
    if (isRemoeError(error) && error.code === "KUBERNETES_KIND_UNKNOWN") return false;
    throw error;
  }
}
