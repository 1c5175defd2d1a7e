import type { Command } from "commander";
import { VERSION } from "../../core/version.ts";
import { applyRevision } from "../../deploy/apply-revision.ts";
import { renderChart } from "../../deploy/chart.ts";
import type { DeployOptions } from "../../deploy/deploy-options.ts";
import { diffObjects } from "../../deploy/diff-objects.ts";
import { type Keys, redact } from "../../deploy/keys.ts";
import { DISRUPTION_BUDGET, hasKind } from "../../deploy/kinds.ts";
import { renderKustomization } from "../../deploy/kustomization.ts";
import type { Manifest } from "../../deploy/manifest.ts";
import { renderManifests } from "../../deploy/render.ts";
import { resolveKeys } from "../../deploy/resolve-keys.ts";
import { apiKeyCommand, secretCommand } from "../../deploy/secret-commands.ts";
import { toYamlStream } from "../../deploy/to-yaml.ts";
import { writeFolder } from "../../deploy/write-folder.ts";
import type { Cluster } from "../../kubernetes/cluster.ts";
import { addDeployFlags, type DeployFlags, givenKeys, toDeployOptions } from "../deploy-flags.ts";
import { flag } from "../flag.ts";
import { addKubeFlags, type KubeFlags, namespaceOf, withCluster } from "../kube-flags.ts";
import { addRolloutFlags, followRevision, type RolloutFlags } from "../rollout-flags.ts";

interface DeployK8sFlags extends KubeFlags, RolloutFlags, DeployFlags {
  readonly dryRun?: boolean;
  readonly outputDir?: string;
  readonly helm?: string;
  readonly diff?: boolean;
}

export function defineDeployK8s(command: Command): void {
  addKubeFlags(command.description("Deploys a gateway to a Kubernetes cluster, or changes one that is there."));
  command
    .addOption(
      flag("--dry-run", "print the manifests, and ask nothing of the cluster", {
        conflicts: ["diff", "outputDir", "helm"],
      }),
    )
    .addOption(flag("--output-dir <folder>", "write the manifests as a kustomization", { conflicts: ["diff", "helm"] }))
    .addOption(flag("--helm <folder>", "write the deployment as a Helm chart", { conflicts: "diff" }))
    .addOption(flag("--diff", "print what would change; exit code 1 if anything would"));
  addDeployFlags(addRolloutFlags(command)).addHelpText("after", EXAMPLES).action(deploy);
}

const EXAMPLES = `
Examples:
  remoe deploy k8s --image registry.example/remoe:1 --model https://models.example/olmoe.gguf --dry-run
  remoe deploy k8s chat --image registry.example/remoe:1 --model /models/olmoe.gguf --model-volume pvc:models -n models
  remoe deploy k8s chat --image registry.example/remoe:2 --model /models/olmoe.gguf --model-volume pvc:models --diff`;

async function deploy(name: string, flags: DeployK8sFlags, command: Command): Promise<void> {
  const options = toDeployOptions(flags, { name, namespace: await namespaceOf(flags), command });
  if (flags.dryRun) return printManifests(options);
  if (flags.outputDir !== undefined) return await writeManifests(options, flags.outputDir);
  if (flags.helm !== undefined) return await writeFolder(flags.helm, renderChart(options, VERSION));
  await withCluster(flags, async (cluster) => {
    const manifests = await renderFor(cluster, options, givenKeys(flags));
    if (flags.diff) return await printDiff(cluster, name, manifests);
    const { forceConflicts = false } = flags;
    const applied = await applyRevision(cluster, name, {
      manifests,
      forceConflicts,
      version: VERSION,
      now: new Date(),
    });
    await followRevision(cluster, { name, applied, flags });
    if (hasMadeKey(options, flags)) process.stderr.write(`the API key: ${apiKeyCommand(options)}\n`);
  });
}

function hasMadeKey({ protected: isProtected, secretName }: DeployOptions, flags: DeployK8sFlags): boolean {
  return isProtected && secretName === null && givenKeys(flags).apiKey === undefined;
}

/** Keys are not shown, so that none are made for it. */
function printManifests(options: DeployOptions): void {
  const keys: Keys = { functionSecret: "", apiKey: options.protected ? "" : null, modelToken: null };
  const manifests = renderManifests(options, { keys, disruptionBudgets: true });
  process.stdout.write(toYamlStream(manifests.map(redact)));
}

async function writeManifests(options: DeployOptions, folder: string): Promise<void> {
  const manifests = renderManifests(options, { keys: null, disruptionBudgets: true });
  await writeFolder(folder, renderKustomization(options, manifests));
  if (options.secretName !== null) return;
  process.stderr.write(`keys are not written; make them with: ${secretCommand(options)}\n`);
}

async function renderFor(cluster: Cluster, options: DeployOptions, given: Partial<Keys>): Promise<readonly Manifest[]> {
  const [keys, disruptionBudgets] = await Promise.all([
    resolveKeys(cluster, options, given),
    hasKind(cluster, DISRUPTION_BUDGET),
  ]);
  return renderManifests(options, { keys, disruptionBudgets });
}

/** Like `kubectl diff`. */
async function printDiff(cluster: Cluster, name: string, manifests: readonly Manifest[]): Promise<void> {
  const diff = await diffObjects(cluster, name, manifests);
  process.stdout.write(diff);
  if (diff !== "") process.exitCode = 1;
}
