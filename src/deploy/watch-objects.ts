import type { Cluster, Labels } from "../kubernetes/cluster.ts";
import type { Kind, KubernetesObject } from "../kubernetes/kinds.ts";

export interface WatchedObjects<T extends KubernetesObject> {
  readonly kinds: readonly Kind<T>[];
  readonly labels: Labels;
}

/**
 * All objects that match, now and after each change, until the signal aborts; changes that come while the caller is
 * busy are told as one.
 */
export async function* watchObjects<T extends KubernetesObject>(
  cluster: Cluster,
  { kinds, labels }: WatchedObjects<T>,
  signal: AbortSignal,
): AsyncGenerator<readonly T[], void, void> {
  const objects = new Map<string, T>();
  let wake: () => void = () => {};
  const watches = kinds.map((kind) =>
    cluster.watch(kind, {
      labels,
      onChange: ({ type, object }) => {
        const uid = object.metadata?.uid ?? "";
        if (type === "removed") objects.delete(uid);
        else objects.set(uid, object);
        wake();
      },
    }),
  );
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort);
  try {
    await Promise.all(watches.map(({ ready }) => ready));
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      yield [...objects.values()];
      if (!signal.aborted) await changed;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    for (const watch of watches) watch.close();
  }
}
