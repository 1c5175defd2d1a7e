import { renderRole, renderRoleBinding, renderServiceAccounts } from "./access.ts";
import { renderConfig } from "./config.ts";
import { checkOptions, type DeployOptions } from "./deploy-options.ts";
import { renderDeployment, renderDisruptionBudget } from "./gateway-deployment.ts";
import { type Keys, renderSecret } from "./keys.ts";
import { renderKnativeService } from "./knative-service.ts";
import type { Manifest } from "./manifest.ts";
import { renderFunctionPolicy, renderGatewayPolicy, renderService } from "./networking.ts";

export interface RenderContext {
  /** `null`: they are not known here, and the Secret is made by somebody else. */
  readonly keys: Keys | null;
  /** Whether the cluster has policy/v1, as all have since Kubernetes 1.21. */
  readonly disruptionBudgets: boolean;
}

/**
 * The objects of a deployment, each before those that need it. Nothing in them depends on anything but the arguments.
 * @throws DEPLOY_INVALID
 */
export function renderManifests(
  options: DeployOptions,
  { keys, disruptionBudgets }: RenderContext,
): readonly Manifest[] {
  checkOptions(options);
  return [
    ...renderServiceAccounts(options),
    renderRole(options),
    renderRoleBinding(options),
    ...(keys === null || options.secretName !== null ? [] : [renderSecret(options, keys)]),
    renderConfig(options),
    ...(options.knative ? [renderKnativeService(options, keys)] : renderPods(options, { keys, disruptionBudgets })),
  ];
}

/** Gateways as a Deployment that starts pods. With Knative, what may call them is its own components' affair. */
function renderPods(options: DeployOptions, { keys, disruptionBudgets }: RenderContext): readonly Manifest[] {
  return [
    renderFunctionPolicy(options),
    renderGatewayPolicy(options),
    renderService(options),
    ...(disruptionBudgets ? renderDisruptionBudget(options) : []),
    renderDeployment(options, keys),
  ];
}
