import { Service as KnativeService } from "@kubernetes-models/knative/serving.knative.dev/v1/Service";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Role } from "kubernetes-models/rbac.authorization.k8s.io/v1/Role";
import { RoleBinding } from "kubernetes-models/rbac.authorization.k8s.io/v1/RoleBinding";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import { Secret } from "kubernetes-models/v1/Secret";
import { Service } from "kubernetes-models/v1/Service";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import type { Manifest } from "../manifest.ts";

type Model = new (data: never) => { validate(): void };

const MODELS: readonly Model[] = [
  ...[Deployment, NetworkPolicy, PodDisruptionBudget, Role, RoleBinding],
  ...[ConfigMap, Secret, Service, ServiceAccount, KnativeService],
];

/** Checks an object against the official schema of its kind. @throws if it does not fit, or the kind is none of ours */
export function validateManifest(manifest: Manifest): void {
  const { apiVersion, kind } = manifest;
  const model = MODELS.find((each) => {
    const { apiVersion: group, kind: name } = new each({} as never) as unknown as Manifest;
    return group === apiVersion && name === kind;
  });
  if (model === undefined) throw new Error(`no schema for ${kind} of ${apiVersion}`);
  new model(manifest as never).validate();
}
