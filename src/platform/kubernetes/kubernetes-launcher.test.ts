import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Cluster } from "../../kubernetes/cluster.ts";
import { CONFIG_MAP, POD, type Pod, SECRET } from "../../kubernetes/kinds.ts";
import { openCluster } from "../../kubernetes/open-cluster.ts";
import { type ApiDouble, startApiDouble } from "../../kubernetes/testing/api-double.ts";
import { listStaying } from "../../kubernetes/testing/list-staying.ts";
import { createPlatform } from "../instance-pool.ts";
import type { Launcher } from "../launcher.ts";
import { readCgroupFacts } from "../local/find-cgroup.ts";
import { createLimiter, type Limiter } from "../local/limiter.ts";
import type { Limits } from "../platform.ts";
import { callStandIn } from "../testing/call-stand-in.ts";
import { describePlatform } from "../testing/platform-conformance.ts";
import { STAND_IN_PROGRAM, standInSpec } from "../testing/stand-in-spec.ts";
import { createKubernetesLauncher, type KubernetesLauncherOptions } from "./kubernetes-launcher.ts";
import { startKubelet } from "./testing/process-kubelet.ts";

const IMAGE = "stand-in:1";
const limiter: Limiter = await createLimiter(`remoe-${process.pid}-kubelet`, readCgroupFacts());
afterAll(() => limiter.close());

let double: ApiDouble;
let kubelet: { close(): void };
let cluster: Cluster;

async function openDouble(): Promise<void> {
  double = await startApiDouble();
  kubelet = startKubelet(double, { image: IMAGE, program: STAND_IN_PROGRAM, limiter });
  cluster = await openCluster({ kubeconfig: double.kubeconfig });
}

async function closeDouble(): Promise<void> {
  cluster.close();
  kubelet.close();
  await double.close();
}

const startLauncher = (options: Partial<KubernetesLauncherOptions> = {}): Promise<Launcher> =>
  createKubernetesLauncher({
    cluster,
    settings: { image: IMAGE },
    secret: "secret",
    owner: { type: "outside", name: "test" },
    ...options,
  });

const leftovers = (): Promise<readonly string[]> => listStaying(cluster, [POD, CONFIG_MAP, SECRET]);

/** Resource limits end a process without the word that a kubelet has for it. */
const enforcement: Limits = limiter.limits.memory === "rlimit" ? { memory: "none", cpu: "none" } : limiter.limits;
const isLinux = process.platform === "linux";

describe.runIf(isLinux)("pods as processes (needs loopback addresses as Linux has them)", () => {
  beforeAll(openDouble);
  afterAll(closeDouble);

  describePlatform("the platform kubernetes", async (options) => createPlatform(await startLauncher(), options), {
    limits: { memory: "pod", cpu: "pod" },
    enforcement,
    leftovers,
  });
});

describe.runIf(isLinux)("a function in a pod", () => {
  let launcher: Launcher;
  beforeEach(async () => {
    await openDouble();
    launcher = await startLauncher();
  });
  afterEach(async () => {
    await launcher.close();
    await closeDouble();
  });

  const onlyPod = async (): Promise<Pod> => {
    const [pod = {}] = await cluster.list(POD);
    return pod;
  };
  const pathOf = ({ metadata }: Pod): string => `/api/v1/namespaces/default/pods/${metadata?.name}`;

  it("serves at its pod's address, and knows where its cold start went", async () => {
    const { endpoint, coldStart, stop } = await launcher.launch(standInSpec(), "experts.1");
    expect(endpoint).toBe(`tcp://${(await onlyPod()).status?.podIP}:7070`);
    const { pod, processMs, librariesMs, weightsMs, totalMs } = coldStart;
    const parts = [pod?.scheduleMs ?? -1, pod?.containerMs ?? -1, processMs, librariesMs, weightsMs];
    expect(Math.min(...parts)).toBeGreaterThanOrEqual(0);
    expect(parts.reduce((sum, ms) => sum + ms)).toBeLessThanOrEqual(totalMs);
    await stop(1_000);
  });

  it("gets the secret from an object of its own, which not everyone may read who sees pods", async () => {
    const { endpoint, stop } = await launcher.launch(standInSpec(), "experts.1");
    const { environment } = (await callStandIn(endpoint, "/start")) as { environment: Record<string, string> };
    expect(environment["REMOE_FUNCTION_SECRET"]).toBe("secret");
    expect(JSON.stringify(await onlyPod())).not.toContain('"secret"');
    await stop(1_000);
  });

  it("that somebody deletes is over at once, in the API's words", async () => {
    const { exited } = await launcher.launch(standInSpec(), "experts.1");
    const pod = await onlyPod();
    const condition = {
      ...{ type: "DisruptionTarget", status: "True" },
      ...{ reason: "EvictionByEvictionAPI", message: "the node is drained" },
    };
    double.store.update(pathOf(pod), (object) => ({ ...object, status: { ...pod.status, conditions: [condition] } }));
    await cluster.remove(POD, pod.metadata?.name ?? "");
    expect(await exited).toEqual({ reason: "crashed", description: "EvictionByEvictionAPI: the node is drained" });
  });

  it("that ends leaves no pod", async () => {
    const { endpoint, exited } = await launcher.launch(standInSpec(), "experts.1");
    await callStandIn(endpoint, "/exit?code=3").catch(() => {});
    await exited;
    await vi.waitFor(async () => expect(await cluster.list(POD)).toEqual([]));
  });

  it("goes on when the API is away, and its end is heard of afterwards", async () => {
    const { endpoint, exited } = await launcher.launch(standInSpec(), "experts.1");
    double.fail({ times: 3, answer: "reset" });
    double.disconnect();
    expect(await callStandIn(endpoint, "/pid")).toEqual(expect.any(Number));
    await callStandIn(endpoint, "/exit?code=3").catch(() => {});
    expect(await exited).toMatchObject({ reason: "crashed", description: expect.stringContaining("code 3") });
  });

  it("that cannot be made fails with what the API answered", async () => {
    double.fail({ times: 1, answer: 403, method: "POST" });
    await expect(launcher.launch(standInSpec(), "experts.1")).rejects.toMatchObject({
      code: "KUBERNETES_REFUSED",
      details: { status: 403, verb: "create" },
    });
  });
});

describe.runIf(isLinux)("a pod that does not run", () => {
  beforeEach(openDouble);
  afterEach(closeDouble);

  it("for want of its image fails at once, by name", async () => {
    const launcher = await startLauncher({ settings: { image: "missing:1" } });
    await expect(launcher.launch(standInSpec(), "experts.1")).rejects.toMatchObject({
      code: "FUNCTION_START_FAILED",
      message: expect.stringContaining("ErrImageNeverPull: there is no image missing:1"),
    });
    await vi.waitFor(async () => expect(await cluster.list(POD)).toEqual([]));
    await launcher.close();
  });

  it("for want of a node is told of meanwhile and fails after its time, in the scheduler's words", async () => {
    kubelet.close();
    const troubles: string[] = [];
    const onTrouble = (text: string): number => troubles.push(text);
    const launcher = await startLauncher({ settings: { image: IMAGE, startTimeoutS: 0.2 }, onTrouble });
    const launched = launcher.launch(standInSpec(), "experts.1");
    const refused = expect(launched).rejects.toMatchObject({
      code: "FUNCTION_START_FAILED",
      message: expect.stringContaining("0.2 s: Unschedulable: 0/1 nodes are available"),
    });
    const [pod = {}] = await vi.waitFor(async () => {
      const pods = await cluster.list(POD);
      expect(pods).toHaveLength(1);
      return pods;
    });
    const conditions = [
      { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes are available" },
    ];
    double.store.update(`/api/v1/namespaces/default/pods/${pod.metadata?.name}`, (object) => ({
      ...object,
      status: { phase: "Pending", conditions },
    }));
    await refused;
    expect(troubles).toEqual([expect.stringMatching(/^the pod remoe-\S+ waits for a node: Unschedulable: 0\/1 nodes/)]);
    await launcher.close();
    kubelet = startKubelet(double, { image: IMAGE, program: STAND_IN_PROGRAM, limiter });
  });
});

describe.runIf(isLinux)("a launcher", () => {
  beforeEach(openDouble);
  afterEach(closeDouble);

  it("clears away the pods that an earlier process of its owner left", async () => {
    const killed = await openCluster({ kubeconfig: double.kubeconfig });
    const earlier = await startLauncher({ cluster: killed });
    await earlier.launch(standInSpec(), "experts.1");
    killed.close();
    const next = await startLauncher();
    await vi.waitFor(async () => expect(await cluster.list(POD)).toEqual([]));
    await next.close();
    await earlier.close();
  });

  it("that may not make what it needs leaves nothing behind", async () => {
    double.fail({ times: 1, answer: 403, method: "PATCH", path: "/secrets" });
    await expect(startLauncher()).rejects.toMatchObject({ code: "KUBERNETES_REFUSED" });
    expect(await leftovers()).toEqual([]);
  });

  it("in a pod makes functions that this pod owns, and no object for that", async () => {
    const owner = { type: "pod", name: "gateway-1", uid: "11111111-2222-3333-4444-555555555555" } as const;
    const launcher = await startLauncher({ owner, settings: { image: IMAGE, secretName: "keys" } });
    const { stop } = await launcher.launch(standInSpec(), "experts.1");
    const [pod] = await cluster.list(POD);
    expect(pod?.metadata?.ownerReferences).toEqual([
      { apiVersion: "v1", kind: "Pod", name: "gateway-1", uid: owner.uid },
    ]);
    expect(await cluster.list(CONFIG_MAP)).toEqual([]);
    expect(await cluster.list(SECRET)).toEqual([]);
    await stop(1_000);
    await launcher.close();
  });
});
