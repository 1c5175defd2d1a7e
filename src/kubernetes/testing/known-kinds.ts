/** A kind of objects that the double has. */
export interface KnownKind {
  /** Path of the group. */
  readonly root: string;
  /** Plural, in paths. */
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** What the double has objects of. */
export const KINDS: readonly KnownKind[] = [
  ...group("/api/v1", ["Pod", "ConfigMap", "Secret", "Service", "ServiceAccount", "Event"]),
  { root: "/api/v1", name: "namespaces", kind: "Namespace", namespaced: false },
  ...group("/apis/apps/v1", ["Deployment", "ReplicaSet", "ControllerRevision"]),
  ...group("/apis/serving.knative.dev/v1", ["Service"]),
  ...group("/apis/coordination.k8s.io/v1", ["Lease"]),
  ...group("/apis/rbac.authorization.k8s.io/v1", ["Role", "RoleBinding"]),
  { root: "/apis/networking.k8s.io/v1", name: "networkpolicies", kind: "NetworkPolicy", namespaced: true },
];

function group(root: string, kinds: readonly string[]): readonly KnownKind[] {
  return kinds.map((kind) => ({ root, name: `${kind.toLowerCase()}s`, kind, namespaced: true }));
}
