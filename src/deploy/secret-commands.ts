import type { DeployOptions } from "./deploy-options.ts";
import { SECRET_KEYS } from "./keys.ts";

/** How a user makes the Secret of a deployment whose manifests are files. */
export function secretCommand({ name, namespace, protected: isProtected }: DeployOptions): string {
  const literal = (key: string): string => `--from-literal=${key}=$(openssl rand -hex 32)`;
  const keys = isProtected ? [SECRET_KEYS.functionSecret, SECRET_KEYS.apiKey] : [SECRET_KEYS.functionSecret];
  return `kubectl create secret generic ${name} --namespace ${namespace} ${keys.map(literal).join(" ")}`;
}

/** How a user finds the API key of a deployment. */
export function apiKeyCommand({ name, namespace }: Pick<DeployOptions, "name" | "namespace">): string {
  const path = `{.data.${SECRET_KEYS.apiKey}}`;
  return `kubectl get secret ${name} --namespace ${namespace} -o jsonpath='${path}' | base64 -d`;
}
