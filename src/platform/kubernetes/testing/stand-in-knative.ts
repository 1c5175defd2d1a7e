import { setTimeout as delay } from "node:timers/promises";
import type { Change, Cluster } from "../../../kubernetes/cluster.ts";
import { POD, type Pod } from "../../../kubernetes/kinds.ts";
import { KNATIVE_SERVICE, type KnativeService } from "../../../kubernetes/knative-service.ts";
import { podState } from "../pod-state.ts";

type PodSpec = NonNullable<Pod["spec"]>;

const POLL_MS = 20;

/**
 * Does for the Services of a cluster what Knative would, as far as a function sees it: starts one pod for each, and says
 * in its status how that goes. The address is the pod's own, and nothing is scaled or started again. Pods of removed
 * services are removed here: Kubernetes learns of a new kind of owners only by and by, and may leave theirs for minutes.
 */
export async function startKnative(cluster: Cluster): Promise<{ close(): void }> {
  const knative = new StandInKnative(cluster);
  const watches = [
    cluster.watch(KNATIVE_SERVICE, {
      onChange({ type, object }) {
        if (type === "added") void knative.start(object);
        else if (type === "removed") void knative.end(object);
      },
    }),
    cluster.watch(POD, { onChange: (change) => knative.judge(change) }),
  ];
  await Promise.all(watches.map(({ ready }) => ready));
  return {
    close() {
      for (const watch of watches) watch.close();
      knative.close();
    },
  };
}

class StandInKnative {
  readonly #cluster: Cluster;
  /** By the names of their pods. */
  readonly #services = new Map<string, KnativeService>();
  /** Pods whose process runs. */
  readonly #running = new Set<string>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async start(service: KnativeService): Promise<void> {
    const pod = podOf(service);
    this.#services.set(nameOf(pod), service);
    await this.#cluster.create(pod).catch(() => {}); // The cluster may be closed already.
    if (!this.#services.has(nameOf(pod))) await this.end(service);
  }

  async end(service: KnativeService): Promise<void> {
    const name = revisionOf(service);
    this.#services.delete(name);
    await this.#cluster.remove(POD, name).catch(() => {}); // The cluster may be closed already.
  }

  judge({ type, object }: Change<Pod>): void {
    const name = nameOf(object);
    const state = podState(object);
    if (type === "removed" || state.type === "ended") this.#running.delete(name);
    else if (state.type === "running" && !this.#running.has(name)) void this.#awaitReady(name, state.ip);
    if (state.type === "failing") this.#fail(name, state.reason);
    if (state.type === "ended") this.#fail(name, `Container failed with: ${state.message}`);
  }

  close(): void {
    this.#running.clear();
  }

  async #awaitReady(name: string, ip: string): Promise<void> {
    this.#running.add(name);
    const service = this.#services.get(name);
    const url = `http://${ip}:${service?.spec?.template.spec?.containers[0]?.ports?.[0]?.containerPort}`;
    while (this.#running.has(name)) {
      const response = await fetch(`${url}/readyz`).catch(() => null);
      if (response?.ok === true) break;
      await delay(POLL_MS);
    }
    if (this.#running.has(name))
      this.#tell(name, { conditions: [{ type: "Ready", status: "True" }], address: { url } });
  }

  #fail(name: string, problem: string): void {
    const message = `Revision "${name}" failed with message: ${problem}.`;
    this.#tell(name, { conditions: [{ type: "Ready", status: "False", reason: "RevisionFailed", message }] });
  }

  #tell(name: string, status: NonNullable<KnativeService["status"]>): void {
    const service = this.#services.get(name);
    if (service === undefined) return;
    // Without a status subresource, each change of the status makes a new generation.
    const observedGeneration = Number.MAX_SAFE_INTEGER;
    const metadata = { name: nameOf(service), uid: service.metadata?.uid };
    this.#cluster
      .apply<KnativeService>({ ...KNATIVE_SERVICE, metadata, status: { observedGeneration, ...status } })
      .catch(() => {}); // The service may be gone already.
  }
}

function podOf(service: KnativeService): Pod {
  const { template } = service.spec ?? {};
  const { containerConcurrency: _concurrency, timeoutSeconds: _timeout, ...spec } = template?.spec ?? {};
  const [container, ...others] = (spec as PodSpec).containers;
  const port = container?.ports?.[0]?.containerPort ?? 0;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...template?.metadata, name: revisionOf(service) },
    spec: {
      ...spec,
      restartPolicy: "Never",
      containers: [
        { ...container, readinessProbe: { httpGet: { path: "/readyz", port } } },
        ...others,
      ] as PodSpec["containers"],
    },
  };
}

function revisionOf(service: KnativeService): string {
  return `${nameOf(service)}-00001`;
}

function nameOf({ metadata }: Pod | KnativeService): string {
  return metadata?.name ?? "";
}
