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

/** The accounts of the gateway and of its functions. Tokens are mounted where a pod asks for its own. */
export function renderServiceAccounts(options: DeployOptions): readonly ManifestOf<ServiceAccount>[] {
  return [
    { ...describeObject(SERVICE_ACCOUNT, options, { component: "gateway" }), automountServiceAccountToken: false },
    {
      ...describeObject(SERVICE_ACCOUNT, options, { component: "function", suffix: "-functions" }),
      automountServiceAccountToken: false,
    },
  ];
}

const POD_RULE = { apiGroups: [""], resources: ["pods"], verbs: ["list", "watch", "create", "delete"] };
/** By a Lease, gateways that share a history agree on who writes it. */
const LEASE_RULE = { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "create", "patch"] };

/** All that a gateway may do, in its own namespace only: start, see and stop pods. It reads no Secret. */
export function renderRole(options: DeployOptions): ManifestOf<Role> {
  return {
    ...describeObject(ROLE, options, { component: "gateway" }),
    rules: options.history.type === "claim" ? [POD_RULE, LEASE_RULE] : [POD_RULE],
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
