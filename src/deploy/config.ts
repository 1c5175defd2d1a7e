import { CONFIG_MAP, type ConfigMap } from "../kubernetes/kinds.ts";
import { INSTANCE_LABEL } from "../kubernetes/labels.ts";
import type { KubernetesSettings } from "../platform/kubernetes/settings.ts";
import { functionAccount } from "./access.ts";
import { type DeployOptions, SETTINGS_FILE } from "./deploy-options.ts";
import { describeObject, type ManifestOf } from "./manifest.ts";

/** The files that the gateway reads at its start: the settings of its functions, and those that its flags name. */
export function renderConfig(options: DeployOptions): ManifestOf<ConfigMap> {
  return {
    ...describeObject(CONFIG_MAP, options, { component: "gateway" }),
    data: { [SETTINGS_FILE]: `${JSON.stringify(toSettings(options), null, 2)}\n`, ...options.files },
  };
}

function toSettings(options: DeployOptions): KubernetesSettings {
  const { name, namespace, image, imagePullPolicy, imagePullSecrets, labels, history, functions, knative } = options;
  return {
    ...(knative && { functions: "knative-services" }),
    namespace,
    image,
    imagePullPolicy,
    imagePullSecrets: [...imagePullSecrets],
    labels: { ...labels, [INSTANCE_LABEL]: name },
    secretName: secretOf(options),
    serviceAccountName: functionAccount(options),
    ...(history.type === "claim" ? { historyLease: `${name}-history` } : {}),
    ...functions,
  };
}

/** Name of the Secret with the deployment's keys. */
export function secretOf({ name, secretName }: Pick<DeployOptions, "name" | "secretName">): string {
  return secretName ?? name;
}
