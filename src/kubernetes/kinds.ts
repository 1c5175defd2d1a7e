import type {
  CoreV1Event,
  V1ConfigMap,
  V1ControllerRevision,
  V1Deployment,
  V1Lease,
  V1Namespace,
  V1NetworkPolicy,
  V1ObjectMeta,
  V1Pod,
  V1Role,
  V1RoleBinding,
  V1Secret,
  V1Service,
  V1ServiceAccount,
} from "@kubernetes/client-node";
import type { Plain } from "./plain.ts";

/** What every object of the API has. */
export interface KubernetesObject {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
  readonly metadata?: Plain<V1ObjectMeta> | undefined;
}

/** Names a kind of objects; the type parameter says what its objects look like. */
export interface Kind<T extends KubernetesObject = KubernetesObject> {
  /** With the group: `v1`, `apps/v1`, … */
  readonly apiVersion: string;
  readonly kind: string;
  /** Never there: only for the compiler. */
  readonly object?: T;
}

export type Pod = Plain<V1Pod>;
export type ConfigMap = Plain<V1ConfigMap>;
export type Secret = Plain<V1Secret>;
export type Service = Plain<V1Service>;
export type ServiceAccount = Plain<V1ServiceAccount>;
export type Namespace = Plain<V1Namespace>;
export type KubernetesEvent = Plain<CoreV1Event>;
export type Deployment = Plain<V1Deployment>;
export type ControllerRevision = Plain<V1ControllerRevision>;
export type Lease = Plain<V1Lease>;
export type Role = Plain<V1Role>;
export type RoleBinding = Plain<V1RoleBinding>;
export type NetworkPolicy = Plain<V1NetworkPolicy>;

export const POD: Kind<Pod> = { apiVersion: "v1", kind: "Pod" };
export const CONFIG_MAP: Kind<ConfigMap> = { apiVersion: "v1", kind: "ConfigMap" };
export const SECRET: Kind<Secret> = { apiVersion: "v1", kind: "Secret" };
export const SERVICE: Kind<Service> = { apiVersion: "v1", kind: "Service" };
export const SERVICE_ACCOUNT: Kind<ServiceAccount> = { apiVersion: "v1", kind: "ServiceAccount" };
export const NAMESPACE: Kind<Namespace> = { apiVersion: "v1", kind: "Namespace" };
export const EVENT: Kind<KubernetesEvent> = { apiVersion: "v1", kind: "Event" };
export const DEPLOYMENT: Kind<Deployment> = { apiVersion: "apps/v1", kind: "Deployment" };
export const CONTROLLER_REVISION: Kind<ControllerRevision> = { apiVersion: "apps/v1", kind: "ControllerRevision" };
export const LEASE: Kind<Lease> = { apiVersion: "coordination.k8s.io/v1", kind: "Lease" };
export const ROLE: Kind<Role> = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role" };
export const ROLE_BINDING: Kind<RoleBinding> = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding" };
export const NETWORK_POLICY: Kind<NetworkPolicy> = { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy" };
