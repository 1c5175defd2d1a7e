import type { Cluster } from "../cluster.ts";
import type { Kind } from "../kinds.ts";

/** Objects of a cluster's default namespace that are not on their way out, as `Kind name`. */
export async function listStaying(cluster: Cluster, kinds: readonly Kind[]): Promise<readonly string[]> {
  const objects = (await Promise.all(kinds.map((kind) => cluster.list(kind)))).flat();
  return objects.flatMap(({ kind, metadata }) =>
    metadata?.deletionTimestamp === undefined ? [`${kind} ${metadata?.name}`] : [],
  );
}
