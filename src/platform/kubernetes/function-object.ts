import type { Pod } from "../../kubernetes/kinds.ts";
import {
  commonLabels,
  FUNCTION_ANNOTATION,
  GATEWAY_LABEL,
  ROLE_LABEL,
  SPEC_ANNOTATION,
} from "../../kubernetes/labels.ts";
import { FUNCTION_USER } from "../docker/image.ts";
import type { FunctionSpec } from "../platform.ts";
import { createSpecKeys } from "../spec-key.ts";
import type { ContainerOptions } from "./function-container.ts";
import type { KubernetesSettings } from "./settings.ts";

export type Metadata = NonNullable<Pod["metadata"]>;
export type PodSpec = NonNullable<Pod["spec"]>;
export type OwnerReference = NonNullable<Metadata["ownerReferences"]>[number];

export interface FunctionObjectOptions extends ContainerOptions {
  readonly name: string;
  /** Whose function it is: value of the label. */
  readonly gateway: string;
  /** When it is gone, the function goes. */
  readonly owner: OwnerReference;
}

/** Whose processes functions are. */
export const RUN_AS = {
  runAsNonRoot: true,
  runAsUser: FUNCTION_USER,
  runAsGroup: FUNCTION_USER,
  seccompProfile: { type: "RuntimeDefault" },
};

const keyOf = createSpecKeys();

/** How the object of a function is called, and what is said of it. */
export function describeFunction(spec: FunctionSpec, options: FunctionObjectOptions): Metadata {
  const { name, settings, gateway, owner } = options;
  return {
    name,
    labels: {
      ...commonLabels("remoe", "function"),
      ...settings.labels,
      [ROLE_LABEL]: spec.program.role,
      [GATEWAY_LABEL]: gateway,
    },
    annotations: { [FUNCTION_ANNOTATION]: spec.name, [SPEC_ANNOTATION]: keyOf(spec).slice(0, 16) },
    ownerReferences: [owner],
  };
}

/** What a function's pod has around its container: where it may run, and no rights. */
export function surroundFunction(settings: KubernetesSettings): Omit<PodSpec, "containers"> {
  const { imagePullSecrets, modelVolume, serviceAccountName, nodeSelector, tolerations, affinity } = settings;
  const { priorityClassName, topologySpreadConstraints, runtimeClassName } = settings;
  return {
    automountServiceAccountToken: false,
    // One variable for each service of the namespace would be a function's environment's greater part.
    enableServiceLinks: false,
    ...(modelVolume && { volumes: [{ name: "model", ...modelVolume.source }] }),
    ...(imagePullSecrets && { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
    ...{ serviceAccountName, nodeSelector, tolerations, affinity },
    ...{ priorityClassName, topologySpreadConstraints, runtimeClassName },
  };
}
