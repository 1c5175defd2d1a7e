import type { Labels } from "./cluster.ts";

/** Labels and annotations of what Remoe makes in a cluster. */
export const NAME_LABEL = "app.kubernetes.io/name";
/** The deployment. */
export const INSTANCE_LABEL = "app.kubernetes.io/instance";
/** `gateway` or `function`. */
export const COMPONENT_LABEL = "app.kubernetes.io/component";
export const MANAGED_BY_LABEL = "app.kubernetes.io/managed-by";
/** `main` or `experts`. */
export const ROLE_LABEL = "remoe.dev/role";
/** Whose function it is: the name of the gateway's pod, or its id. */
export const GATEWAY_LABEL = "remoe.dev/gateway";
/** The function's name, as in bills. */
export const FUNCTION_ANNOTATION = "remoe.dev/function";
/** A hash of what the function runs and may use: equal ones are interchangeable. */
export const SPEC_ANNOTATION = "remoe.dev/spec";

export type Component = "gateway" | "function";

/** The labels that all objects of a deployment have. */
export function commonLabels(deployment: string, component?: Component): Labels {
  return {
    [NAME_LABEL]: "remoe",
    [INSTANCE_LABEL]: deployment,
    [MANAGED_BY_LABEL]: "remoe",
    ...(component === undefined ? {} : { [COMPONENT_LABEL]: component }),
  };
}
