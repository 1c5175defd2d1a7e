import type { V1ObjectMeta } from "@kubernetes/client-node";
import type { Kind, KubernetesObject } from "../kubernetes/kinds.ts";
import { type Component, commonLabels } from "../kubernetes/labels.ts";
import type { Plain } from "../kubernetes/plain.ts";
import type { DeployOptions } from "./deploy-options.ts";

/** An object as it is handed to a cluster: it says itself what and where it is. */
export interface Manifest extends KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Plain<V1ObjectMeta> & { readonly name: string; readonly namespace: string };
}

/** A manifest of one kind. */
export type ManifestOf<T extends KubernetesObject> = T & Manifest;

/** The part that all manifests of a deployment have in common. */
export function describeObject<T extends KubernetesObject>(
  { apiVersion, kind }: Kind<T>,
  options: Pick<DeployOptions, "name" | "namespace" | "labels">,
  { component, suffix = "" }: { readonly component: Component; readonly suffix?: string },
): Manifest {
  const { name, namespace, labels } = options;
  return {
    apiVersion,
    kind,
    metadata: { name: `${name}${suffix}`, namespace, labels: { ...labels, ...commonLabels(name, component) } },
  };
}

/** Equal for manifests of the same object; kinds of different groups may have the same name. */
export function identify({ apiVersion, kind, metadata: { name } }: Manifest): string {
  return `${apiVersion} ${kind} ${name}`;
}

/** `Deployment/chat`, as messages call an object. */
export function nameOf({ kind, metadata: { name } }: Manifest): string {
  return `${kind}/${name}`;
}

/** Name of the file that a manifest is written to, e.g. `config-map-chat.yaml`. */
export function manifestFile({ kind, metadata: { name } }: Manifest): string {
  const words = kind.replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();
  return `${words}-${name}.yaml`;
}
