import { DEPLOYMENT, type Deployment } from "../kubernetes/kinds.ts";
import { commonLabels } from "../kubernetes/labels.ts";
import type { DeployOptions } from "./deploy-options.ts";
import { renderGatewayPod, START_LIMIT_S } from "./gateway-pod.ts";
import type { Keys } from "./keys.ts";
import { DISRUPTION_BUDGET, type DisruptionBudget } from "./kinds.ts";
import { describeObject, type ManifestOf } from "./manifest.ts";

/** The gateways. A new one is ready before an old one goes. */
export function renderDeployment(options: DeployOptions, keys: Keys | null): ManifestOf<Deployment> {
  const { name, replicas } = options;
  return {
    ...describeObject(DEPLOYMENT, options, { component: "gateway" }),
    spec: {
      replicas,
      selector: { matchLabels: commonLabels(name, "gateway") },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      progressDeadlineSeconds: START_LIMIT_S,
      // Revisions of a deployment are kept by Remoe; ReplicaSets without pods would be a second record.
      revisionHistoryLimit: 0,
      template: renderGatewayPod(options, keys),
    },
  };
}

/** Drained nodes take one gateway at a time. With a single one it would only keep its node from being drained. */
export function renderDisruptionBudget(options: DeployOptions): readonly ManifestOf<DisruptionBudget>[] {
  if (options.replicas === 1) return [];
  return [
    {
      ...describeObject(DISRUPTION_BUDGET, options, { component: "gateway" }),
      spec: { maxUnavailable: 1, selector: { matchLabels: commonLabels(options.name, "gateway") } },
    },
  ];
}
