import type { Command } from "commander";
import { type DeploymentStatus, type PodReport, readStatus } from "../../deploy/status.ts";
import { flag } from "../flag.ts";
import { addKubeFlags, type KubeFlags, withCluster } from "../kube-flags.ts";
import { printJson } from "../print-json.ts";
import { formatTable } from "../table.ts";

export function defineStatus(command: Command): void {
  addKubeFlags(command.description("Says what a deployment is at: revision, gateways, functions, last warnings."))
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", "\nExample:\n  remoe status chat -n models")
    .action(async (name: string, flags: KubeFlags & { readonly json?: boolean }) => {
      const status = await withCluster(flags, (cluster) => readStatus(cluster, name));
      if (flags.json) printJson(status);
      else process.stdout.write(toText(status, Date.now()));
    });
}

function toText(status: DeploymentStatus, now: number): string {
  const { name, namespace, revision, rollout, gateways, functions, warnings } = status;
  const head = formatTable([
    ["deployment", `${name}, namespace ${namespace}`],
    ["revision", revision === null ? "none recorded" : `${revision.number} (${revision.hash}), ${revision.appliedAt}`],
    ["rollout", `${rollout.state}: ${rollout.description}`],
  ]);
  const pods = formatTable([
    ["POD", "ROLE", "STATE", "READY", "RESTARTS", "MEMORY", "AGE", "NODE"],
    ...[...gateways, ...functions].map((pod) => toRow(pod, now)),
  ]);
  const last = warnings.map(({ object, reason, message, at }) => [at, object, `${reason}: ${message}`]);
  return `${head}\n${pods}${last.length === 0 ? "" : `\n${formatTable([["WARNED", "OBJECT", "WHAT"], ...last])}`}`;
}

function toRow(
  { pod, role, state, ready, restarts, memoryMb, createdAt, node }: PodReport,
  now: number,
): readonly string[] {
  const age = formatAge(now - Date.parse(createdAt));
  return [
    pod,
    role,
    state,
    ready ? "yes" : "no",
    String(restarts),
    memoryMb === null ? "-" : `${memoryMb} MiB`,
    age,
    node ?? "-",
  ];
}

/** `45s`, `12m`, `5h`, `3d` */
function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
