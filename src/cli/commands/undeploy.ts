import type { Command } from "commander";
import { undeploy } from "../../deploy/undeploy.ts";
import { duration } from "../argument-parsers.ts";
import { flag } from "../flag.ts";
import { watchInterruption } from "../interruption.ts";
import { addKubeFlags, type KubeFlags, withCluster } from "../kube-flags.ts";
import { printJson } from "../print-json.ts";

interface UndeployFlags extends KubeFlags {
  readonly wait: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

export function defineUndeploy(command: Command): void {
  addKubeFlags(command.description("Removes a deployment and its functions from a cluster; claims and volumes stay."))
    .addOption(flag("--no-wait", "do not wait until everything is gone"))
    .addOption(flag("--timeout <duration>", "how long to wait", { parse: duration, initial: 300_000, initially: "5m" }))
    .addOption(flag("--json", "print one JSON object"))
    .addHelpText("after", "\nExample:\n  remoe undeploy chat -n models")
    .action(remove);
}

async function remove(name: string, flags: UndeployFlags): Promise<void> {
  const { wait, timeout, json } = flags;
  const signal = watchInterruption();
  const removed = await withCluster(flags, (cluster) =>
    undeploy(cluster, name, { late: wait ? AbortSignal.timeout(timeout) : null, signal }),
  );
  if (json) printJson({ name, removed });
  else process.stdout.write(removed.map((object) => `${object} removed\n`).join(""));
}
