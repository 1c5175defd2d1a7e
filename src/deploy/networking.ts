import { NETWORK_POLICY, type NetworkPolicy, SERVICE, type Service } from "../kubernetes/kinds.ts";
import { commonLabels, ROLE_LABEL } from "../kubernetes/labels.ts";
import type { DeployOptions } from "./deploy-options.ts";
import { describeObject, type ManifestOf } from "./manifest.ts";

/** Where a gateway listens in its pod. */
export const GATEWAY_PORT = 8000;
/** Where functions answer calls, and where they say how they are. */
const FUNCTION_PORTS = [7070, 7071] as const;

/** The gateways under one address. */
export function renderService(options: DeployOptions): ManifestOf<Service> {
  return {
    ...describeObject(SERVICE, options, { component: "gateway" }),
    spec: {
      type: options.serviceType,
      selector: commonLabels(options.name, "gateway"),
      ports: [{ name: "http", port: GATEWAY_PORT, targetPort: "http", protocol: "TCP" }],
    },
  };
}

/**
 * Nobody but the gateways and main functions of a deployment may call its functions. Outgoing connections are left alone: a gateway needs the cluster's API, names, and with models by
 * URL any address, none of which a policy of a namespace can name for every cluster.
 */
export function renderFunctionPolicy(options: DeployOptions): ManifestOf<NetworkPolicy> {
  const gateways = commonLabels(options.name, "gateway");
  const functions = commonLabels(options.name, "function");
  const callers = [gateways, { ...functions, [ROLE_LABEL]: "main" }];
  return {
    ...describeObject(NETWORK_POLICY, options, { component: "function", suffix: "-functions" }),
    spec: {
      podSelector: { matchLabels: functions },
      policyTypes: ["Ingress"],
      ingress: [
        {
          from: callers.map((matchLabels) => ({ podSelector: { matchLabels } })),
          ports: FUNCTION_PORTS.map((port) => ({ port, protocol: "TCP" })),
        },
      ],
    },
  };
}

/** Everybody may call a gateway, and nothing else in its pod. */
export function renderGatewayPolicy(options: DeployOptions): ManifestOf<NetworkPolicy> {
  return {
    ...describeObject(NETWORK_POLICY, options, { component: "gateway", suffix: "-gateway" }),
    spec: {
      podSelector: { matchLabels: commonLabels(options.name, "gateway") },
      policyTypes: ["Ingress"],
      ingress: [{ ports: [{ port: GATEWAY_PORT, protocol: "TCP" }] }],
    },
  };
}
