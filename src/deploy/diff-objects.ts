import type { Cluster } from "../kubernetes/cluster.ts";
import type { Kind, KubernetesObject } from "../kubernetes/kinds.ts";
import { CONFLICT, isRefusal } from "../kubernetes/refusal.ts";
import { isSecret, REDACTED } from "./keys.ts";
import { lineDiff } from "./line-diff.ts";
import { identify, type Manifest, nameOf } from "./manifest.ts";
import { listRevisions } from "./revisions.ts";
import { toYaml } from "./to-yaml.ts";

/**
 * What applying these objects would change, as a unified diff of each; empty when nothing would. The API merges them as
 * if, so that its defaults and what others manage do not show.
 */
export async function diffObjects(cluster: Cluster, name: string, manifests: readonly Manifest[]): Promise<string> {
  const kept = new Set(manifests.map(identify));
  const latest = (await listRevisions(cluster, name)).at(-1);
  const leaving = (latest?.objects ?? []).filter((manifest) => !kept.has(identify(manifest)));
  const changes = manifests.map((manifest) => diffObject(cluster, manifest));
  const removals = leaving.map((manifest) => diffRemoval(cluster, manifest));
  return (await Promise.all([...changes, ...removals])).join("");
}

/** Comparisons of an object that others, such as its controller, change meanwhile; the last one is taken as it comes. */
const TRIES = 5;

async function diffObject(cluster: Cluster, manifest: Manifest): Promise<string> {
  for (let tries = 1; ; tries++) {
    const live = await readLive(cluster, manifest);
    const version = tries < TRIES ? live?.metadata.resourceVersion : undefined;
    const merged = await mergeInto(cluster, manifest, version);
    if (merged !== null) return compare(manifest, live, merged);
  }
}

/** `null` where the object has another version by now. */
async function mergeInto(cluster: Cluster, manifest: Manifest, resourceVersion?: string): Promise<Manifest | null> {
  const options = { dryRun: true, force: true };
  if (resourceVersion === undefined) return await cluster.apply(manifest, options);
  const versioned = { ...manifest, metadata: { ...manifest.metadata, resourceVersion } } as Manifest;
  return await cluster.apply(versioned, options).catch((error: unknown) => {
    if (isRefusal(error, CONFLICT)) return null;
    throw error;
  });
}

async function diffRemoval(cluster: Cluster, manifest: Manifest): Promise<string> {
  return compare(manifest, await readLive(cluster, manifest), null);
}

function readLive(cluster: Cluster, manifest: Manifest): Promise<Manifest | null> {
  return cluster.read(manifest as Kind<Manifest>, manifest.metadata.name);
}

function compare(manifest: Manifest, live: Manifest | null, merged: Manifest | null): string {
  const before = live === null ? "" : toYaml(toComparable(live, null));
  const after = merged === null ? "" : toYaml(toComparable(merged, live));
  return lineDiff(before, after, { from: `live/${nameOf(manifest)}`, to: `new/${nameOf(manifest)}` });
}

/** Without what the API keeps for itself, and with keys hidden but for whether they change. */
function toComparable(object: Manifest, live: Manifest | null): KubernetesObject {
  const { status: _status, metadata, ...rest } = hideKeys(object, live) as Manifest & { readonly status?: unknown };
  const { name, namespace, labels, annotations, ownerReferences } = metadata;
  const { apiVersion, kind, ...content } = rest;
  return { apiVersion, kind, metadata: { name, namespace, labels, annotations, ownerReferences }, ...content };
}

function hideKeys(object: Manifest, live: Manifest | null): Manifest {
  if (!isSecret(object)) return object;
  const known = live !== null && isSecret(live) ? (live.data ?? {}) : (object.data ?? {});
  const hidden = Object.entries(object.data ?? {}).map(([key, value]) => [
    key,
    known[key] === value ? REDACTED : `${REDACTED} and changed`,
  ]);
  return { ...object, data: Object.fromEntries(hidden) } as Manifest;
}
