import type { Command } from "commander";
import type { AppliedRevision } from "../deploy/apply-revision.ts";
import { gatewayKind } from "../deploy/kinds.ts";
import { waitForRollout } from "../deploy/wait-for-rollout.ts";
import type { Cluster } from "../kubernetes/cluster.ts";
import { duration } from "./argument-parsers.ts";
import { flag } from "./flag.ts";
import { watchInterruption } from "./interruption.ts";
import { printJson } from "./print-json.ts";
import { createProgress } from "./progress.ts";

/** What {@link addRolloutFlags} gives a command's action. */
export interface RolloutFlags {
  readonly forceConflicts?: boolean;
  readonly wait: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

/** Adds the flags of every command that changes a deployment. */
export function addRolloutFlags(command: Command): Command {
  return command
    .addOption(flag("--force-conflicts", "take over fields that others have set"))
    .addOption(flag("--no-wait", "do not wait until the gateways are ready"))
    .addOption(
      flag("--timeout <duration>", "how long to wait", { parse: duration, initial: 600_000, initially: "10m" }),
    )
    .addOption(flag("--json", "print one JSON object"));
}

interface FollowedRevision {
  readonly name: string;
  readonly applied: AppliedRevision;
  readonly flags: RolloutFlags;
}

/**
 * Says what was applied, and with `--wait` follows the gateways until they are ready.
 * @throws DEPLOY_NOT_READY
 */
export async function followRevision(cluster: Cluster, { name, applied, flags }: FollowedRevision): Promise<void> {
  const { revision, isNew, pruned } = applied;
  const { wait, timeout, json } = flags;
  const progress = createProgress();
  progress.note(`${name}: revision ${revision.number}${isNew ? "" : ", which was there already"}`);
  for (const object of pruned) progress.note(`${object} removed`);
  const onStep = (step: string): void => progress.show(`${name}: ${step}`);
  const kind = gatewayKind(revision.objects);
  const gateways = wait
    ? await waitForRollout(cluster, name, {
        kind,
        late: AbortSignal.timeout(timeout),
        onStep,
        signal: watchInterruption(),
      }).finally(progress.end)
    : null;
  if (gateways !== null) progress.note(`${name}: ready gateways: ${gateways}`);
  if (json) printJson({ name, revision: revision.number, hash: revision.hash, isNew, pruned, gateways });
}
