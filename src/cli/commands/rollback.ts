import type { Command } from "commander";
import { VERSION } from "../../core/version.ts";
import { applyRevision } from "../../deploy/apply-revision.ts";
import { findRevision } from "../../deploy/revisions.ts";
import { wholeNumber } from "../argument-parsers.ts";
import { flag } from "../flag.ts";
import { addKubeFlags, type KubeFlags, withCluster } from "../kube-flags.ts";
import { addRolloutFlags, followRevision, type RolloutFlags } from "../rollout-flags.ts";

interface RollbackFlags extends KubeFlags, RolloutFlags {
  readonly to?: number;
}

export function defineRollback(command: Command): void {
  addKubeFlags(command.description("Applies an earlier revision of a deployment again, as a new one."));
  command.addOption(
    flag("--to <revision>", "number of the revision, see `remoe status`", {
      parse: wholeNumber(1),
      initially: "the one before the latest",
    }),
  );
  addRolloutFlags(command)
    .addHelpText("after", "\nExamples:\n  remoe rollback chat\n  remoe rollback chat --to 3")
    .action(rollback);
}

async function rollback(name: string, flags: RollbackFlags): Promise<void> {
  const { to, forceConflicts = false } = flags;
  await withCluster(flags, async (cluster) => {
    const { objects: manifests } = await findRevision(cluster, name, to);
    const options = { manifests, forceConflicts, version: VERSION, now: new Date() };
    await followRevision(cluster, { name, applied: await applyRevision(cluster, name, options), flags });
  });
}
