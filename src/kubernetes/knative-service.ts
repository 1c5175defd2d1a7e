import type { V1PodSpec, V1PodTemplateSpec } from "@kubernetes/client-node";
import type { Kind, KubernetesObject } from "./kinds.ts";
import type { Plain } from "./plain.ts";

/** A Service of Knative, as far as Remoe sets and reads it: what it runs has an address, and as many pods as it needs. */
export interface KnativeService extends KubernetesObject {
  readonly spec?: { readonly template: RevisionTemplate } | undefined;
  readonly status?: KnativeStatus | undefined;
}

interface RevisionTemplate extends Omit<Plain<V1PodTemplateSpec>, "spec"> {
  readonly spec?: RevisionSpec | undefined;
}

/** A pod's, with what Knative adds. */
export type RevisionSpec = Plain<V1PodSpec> & {
  /** Requests that a pod gets at the same time; 0: any number. */
  readonly containerConcurrency: number;
  /** How long an answer may take. */
  readonly timeoutSeconds: number;
};

interface KnativeStatus {
  readonly observedGeneration?: number | undefined;
  readonly conditions?: readonly KnativeCondition[] | undefined;
  /** Where everybody finds it. */
  readonly url?: string | undefined;
  /** Where those in the cluster find it. */
  readonly address?: { readonly url?: string | undefined } | undefined;
}

interface KnativeCondition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

export const KNATIVE_SERVICE: Kind<KnativeService> = { apiVersion: "serving.knative.dev/v1", kind: "Service" };

/** Whether it is ready; `null` until Knative has seen it as it is now: its status is about what it was before. */
export function readyCondition({ metadata, status }: KnativeService): KnativeCondition | null {
  if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 0)) return null;
  return status?.conditions?.find(({ type }) => type === "Ready") ?? null;
}
