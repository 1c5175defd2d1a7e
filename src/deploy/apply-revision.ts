import { isRemoeError, remoeError } from "../core/errors.ts";
import type { Cluster } from "../kubernetes/cluster.ts";
import type { KubernetesObject } from "../kubernetes/kinds.ts";
import { INSTANCE_LABEL, MANAGED_BY_LABEL } from "../kubernetes/labels.ts";
import { CONFLICT, isRefusal } from "../kubernetes/refusal.ts";
import { identify, type Manifest, nameOf } from "./manifest.ts";
import { type Revision, toRevisionContent } from "./revision.ts";
import { forgetOldRevisions, listRevisions, recordRevision } from "./revisions.ts";

export interface ApplyRevisionOptions {
  /** Takes over fields that others have set. */
  readonly forceConflicts: boolean;
  /** Of this program. */
  readonly version: string;
  /** The time. */
  readonly now: Date;
}

export interface AppliedRevision {
  readonly revision: Revision;
  /** `false`: what was applied is the latest revision already. */
  readonly isNew: boolean;
  /** Names of objects that the revision before had and this one has not. */
  readonly pruned: readonly string[];
}

/**
 * Makes a cluster have these objects: all are checked by the API first, then recorded as a revision, then applied; what
 * the revision before had beside them is removed. Applying the same again repairs what was changed or interrupted.
 * @throws DEPLOY_CONFLICT, DEPLOY_CONCURRENT, KUBERNETES_REFUSED before anything is changed
 */
export async function applyRevision(
  cluster: Cluster,
  name: string,
  { manifests, ...options }: ApplyRevisionOptions & { readonly manifests: readonly Manifest[] },
): Promise<AppliedRevision> {
  const { forceConflicts, version, now } = options;
  const revisions = await listRevisions(cluster, name);
  const latest = revisions.at(-1);
  await checkObjects(cluster, name, { manifests, forceConflicts });
  const content = toRevisionContent(manifests);
  const isNew = content.hash !== latest?.hash;
  const revision = isNew
    ? { ...content, number: (latest?.number ?? 0) + 1, appliedAt: now.toISOString(), version }
    : latest;
  if (isNew) await recordRevision(cluster, name, revision);
  for (const manifest of manifests) await cluster.apply(manifest, { force: forceConflicts });
  const pruned = await prune(cluster, name, { before: latest?.objects ?? [], after: revision.objects });
  if (isNew) await forgetOldRevisions(cluster, name, [...revisions, revision]);
  return { revision, isNew, pruned };
}

/** All at once, so that nothing is applied of a revision that cannot be applied as a whole. */
async function checkObjects(
  cluster: Cluster,
  name: string,
  { manifests, forceConflicts }: { readonly manifests: readonly Manifest[]; readonly forceConflicts: boolean },
): Promise<void> {
  const checks = manifests.map((manifest) => cluster.apply(manifest, { dryRun: true, force: forceConflicts }));
  const conflicts: string[] = [];
  for (const [index, check] of (await Promise.allSettled(checks)).entries()) {
    if (check.status === "fulfilled") continue;
    if (!isRefusal(check.reason, CONFLICT)) throw check.reason;
    conflicts.push(`${nameOf(manifests[index] as Manifest)}: ${describeConflict(check.reason)}`);
  }
  if (conflicts.length > 0) throw remoeError("DEPLOY_CONFLICT", { name, conflicts: conflicts.join("; ") });
}

/** The API names owner and fields: `Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas` */
function describeConflict(error: unknown): string {
  const reason = isRemoeError(error) ? String(error.details["reason"]) : "";
  return reason.replace(/^Apply failed with \d+ conflicts?: /, "").replace(/:?\s*\n-?\s*/g, " ");
}

async function prune(
  cluster: Cluster,
  deployment: string,
  { before, after }: { readonly before: readonly Manifest[]; readonly after: readonly Manifest[] },
): Promise<readonly string[]> {
  const kept = new Set(after.map(identify));
  const pruned: string[] = [];
  for (const manifest of before.filter((each) => !kept.has(identify(each)))) {
    const { name } = manifest.metadata;
    const live = await cluster.read(manifest, name);
    if (live === null || !isOurs(live, deployment)) continue;
    await cluster.remove(manifest, name);
    pruned.push(nameOf(manifest));
  }
  return pruned;
}

/** Somebody may have made another object of that name since. */
function isOurs({ metadata }: KubernetesObject, name: string): boolean {
  const labels = metadata?.labels ?? {};
  return labels[INSTANCE_LABEL] === name && labels[MANAGED_BY_LABEL] === "remoe";
}
