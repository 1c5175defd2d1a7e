import { remoeError } from "../core/errors.ts";
import type { Cluster } from "../kubernetes/cluster.ts";
import { CONFIG_MAP } from "../kubernetes/kinds.ts";
import { commonLabels } from "../kubernetes/labels.ts";
import { CONFLICT, isRefusal } from "../kubernetes/refusal.ts";
import { decodeRevision, encodeRevision, REVISION_LABEL, type Revision } from "./revision.ts";

/** Older ones are forgotten. */
const KEPT = 10;

/** All revisions of a deployment that are kept, oldest first. @throws DEPLOY_REVISION_DAMAGED */
export async function listRevisions(cluster: Cluster, name: string): Promise<readonly Revision[]> {
  const found = await cluster.list(CONFIG_MAP, { labels: commonLabels(name) });
  return found
    .filter(({ metadata }) => metadata?.labels?.[REVISION_LABEL] !== undefined)
    .map(decodeRevision)
    .sort((a, b) => a.number - b.number);
}

/**
 * The revision that a deployment goes back to: the one asked for, or that before the latest.
 * @throws DEPLOY_NOT_FOUND, DEPLOY_REVISION_UNKNOWN
 */
export async function findRevision(cluster: Cluster, name: string, number?: number): Promise<Revision> {
  const revisions = await listRevisions(cluster, name);
  if (revisions.length === 0) throw remoeError("DEPLOY_NOT_FOUND", { name, namespace: cluster.namespace });
  const found = number === undefined ? revisions.at(-2) : revisions.find((revision) => revision.number === number);
  if (found !== undefined) return found;
  const kept = revisions.map((revision) => revision.number).join(", ");
  throw remoeError("DEPLOY_REVISION_UNKNOWN", { name, revision: number ?? "before the only one", kept });
}

/** @throws DEPLOY_CONCURRENT when somebody else has recorded one of this number meanwhile */
export async function recordRevision(cluster: Cluster, name: string, revision: Revision): Promise<void> {
  try {
    await cluster.create(encodeRevision(revision, { name, namespace: cluster.namespace }));
  } catch (error) {
    if (!isRefusal(error, CONFLICT)) throw error;
    throw remoeError("DEPLOY_CONCURRENT", { name, revision: revision.number }, error);
  }
}

/** @param revisions all that there are, oldest first */
export async function forgetOldRevisions(
  cluster: Cluster,
  name: string,
  revisions: readonly Revision[],
): Promise<void> {
  const old = revisions.slice(0, -KEPT);
  await Promise.all(old.map(({ number }) => cluster.remove(CONFIG_MAP, `${name}-revision-${number}`)));
}
