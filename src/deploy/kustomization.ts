import type { DeployOptions } from "./deploy-options.ts";
import { isSecret } from "./keys.ts";
import { type Manifest, manifestFile } from "./manifest.ts";
import { secretCommand } from "./secret-commands.ts";
import { toYaml } from "./to-yaml.ts";

/**
 * Manifests as files that `kubectl apply -k` takes. The Secret is left out: keys do not belong into files that are kept
 * and shared; a comment says how to make it.
 * @returns file name → text
 */
export function renderKustomization(
  options: DeployOptions,
  manifests: readonly Manifest[],
): ReadonlyMap<string, string> {
  const files = manifests
    .filter((manifest) => !isSecret(manifest))
    .map((manifest) => [manifestFile(manifest), toYaml(manifest)] as const);
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: files.map(([file]) => file),
  };
  const comment = options.secretName === null ? `# ${secretCommand(options)}\n` : "";
  return new Map([...files, ["kustomization.yaml", `${comment}${toYaml(kustomization)}`]]);
}
