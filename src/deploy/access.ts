import {
  ROLE,
  ROLE_BINDING,
  type Role,
  type RoleBinding,
  SERVICE_ACCOUNT,
  type ServiceAccount,
} from "../kubernetes/kinds.ts";
import type { DeployOptions } from "./deploy-options.ts";
import { describeObject, type ManifestOf } from "./manifest.ts";

/** The account of functions, which have no rights. */
export function functionAccount({ name }: Pick<DeployOptions, "name">): string {
  return `${name}-functions`;
}

/**
 * The accounts of the gateway and of its functions. Tokens are mounted where a pod asks for its own, and always by Knative,
 * whose pods cannot ask.
 */
export function renderServiceAccounts(options: DeployOptions): readonly ManifestOf<ServiceAccount>[] {
  return [
    {
      ...describeObject(SERVICE_ACCOUNT, options, { component: "gateway" }),
      automountServiceAccountToken: options.knative,
    },
    {
      ...describeObject(SERVICE_ACCOUNT, options, { component: "function", suffix: "-functions" }),
      automountServiceAccountToken: false,
    },
  ];
}

const VERBS = ["list", "watch", "create", "delete"];
const POD_RULE = { apiGroups: [""], resources: ["pods"], verbs: VERBS };
const KNATIVE_RULE = { apiGroups: ["serving.knative.dev"], resources: ["services"], verbs: VERBS };
/** By a Lease, gateways that share a history agree on who writes it. */
const LEASE_RULE = { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "create", "patch"] };

/** All that a gateway may do, in its own namespace only: start, see and stop functions. It reads no Secret. */
export function renderRole(options: DeployOptions): ManifestOf<Role> {
  const rule = options.knative ? KNATIVE_RULE : POD_RULE;
  return {
    ...describeObject(ROLE, options, { component: "gateway" }),
    rules: options.history.type === "claim" ? [rule, LEASE_RULE] : [rule],
  };
}

export function renderRoleBinding(options: DeployOptions): ManifestOf<RoleBinding> {
  const { name, namespace } = options;
  return {
    ...describeObject(ROLE_BINDING, options, { component: "gateway" }),
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
    subjects: [{ kind: "ServiceAccount", name, namespace }],
  };
}
