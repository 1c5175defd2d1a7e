import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { Cluster } from "../../kubernetes/cluster.ts";
import { CONFIG_MAP, POD, SECRET } from "../../kubernetes/kinds.ts";
import { KNATIVE_SERVICE, type KnativeService } from "../../kubernetes/knative-service.ts";
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
import { startKnative } from "./testing/stand-in-knative.ts";

const IMAGE = "stand-in:1";
const settings = { functions: "knative-services", image: IMAGE } as const;
const limiter: Limiter = await createLimiter(`remoe-${process.pid}-knative`, readCgroupFacts());
afterAll(() => limiter.close());

let double: ApiDouble;
let cluster: Cluster;
let kubelet: { close(): void };
let knative: { close(): void };

async function openDouble(): Promise<void> {
  double = await startApiDouble();
  kubelet = startKubelet(double, { image: IMAGE, program: STAND_IN_PROGRAM, limiter });
  cluster = await openCluster({ kubeconfig: double.kubeconfig });
  knative = await startKnative(cluster);
}

async function closeDouble(): Promise<void> {
  knative.close();
  cluster.close();
  kubelet.close();
  await double.close();
}

const startLauncher = (options: Partial<KubernetesLauncherOptions> = {}): Promise<Launcher> =>
  createKubernetesLauncher({
    cluster,
    settings,
    secret: "secret",
    owner: { type: "outside", name: "test" },
    ...options,
  });

const leftovers = (): Promise<readonly string[]> => listStaying(cluster, [KNATIVE_SERVICE, POD, CONFIG_MAP, SECRET]);

/** Resource limits end a process without the word that a kubelet has for it. */
const enforcement: Limits = limiter.limits.memory === "rlimit" ? { memory: "none", cpu: "none" } : limiter.limits;
const isLinux = process.platform === "linux";

describe.runIf(isLinux)("Services of Knative as processes (needs loopback addresses as Linux has them)", () => {
  beforeAll(openDouble);
  afterAll(closeDouble);

  describePlatform("the platform kubernetes", async (options) => createPlatform(await startLauncher(), options), {
    limits: { memory: "pod", cpu: "pod" },
    enforcement,
    hearsEnds: false,
    leftovers,
  });
});

describe.runIf(isLinux)("a function in a Service of Knative", () => {
  let launcher: Launcher;
  beforeEach(async () => {
    await openDouble();
    launcher = await startLauncher();
  });
  afterEach(async () => {
    await launcher.close();
    await closeDouble();
  });

  const onlyService = async (): Promise<KnativeService> => {
    const [service = {}] = await cluster.list(KNATIVE_SERVICE);
    return service;
  };

  it("serves at the address that Knative gives it, and tells of its cold start there", async () => {
    const { endpoint, coldStart, stop } = await launcher.launch(standInSpec(), "experts.1");
    expect(endpoint).toBe((await onlyService()).status?.address?.url);
    expect(coldStart.processMs).toBeGreaterThan(0);
    expect(coldStart.processMs).toBeLessThan(coldStart.totalMs);
    await stop(1_000);
    expect(await cluster.list(KNATIVE_SERVICE)).toEqual([]);
  });

  it("that ends is over when Knative says so, with its last words", async () => {
    const { endpoint, exited } = await launcher.launch(standInSpec(), "experts.1");
    await callStandIn(endpoint, "/exit?code=3").catch(() => {});
    expect(await exited).toMatchObject({ reason: "crashed", description: expect.stringContaining("RevisionFailed") });
    await vi.waitFor(async () => expect(await cluster.list(KNATIVE_SERVICE)).toEqual([]));
  });

  it("that cannot start fails in Knative's words", async () => {
    const launched = launcher.launch(standInSpec({ start: { exitWith: 7 } }), "experts.1");
    await expect(launched).rejects.toMatchObject({
      code: "FUNCTION_START_FAILED",
      message: expect.stringMatching(
        /RevisionFailed: Revision .* failed with message: Container failed with: I give up/,
      ),
    });
  });

  it("whose image is missing fails by its name", async () => {
    const misled = await startLauncher({
      settings: { ...settings, image: "missing:1" },
      owner: { type: "outside", name: "misled" },
    });
    await expect(misled.launch(standInSpec(), "experts.1")).rejects.toMatchObject({
      code: "FUNCTION_START_FAILED",
      message: expect.stringContaining("ErrImageNeverPull: there is no image missing:1"),
    });
    await misled.close();
  });

  it("that somebody deletes is over at once", async () => {
    const { exited } = await launcher.launch(standInSpec(), "experts.1");
    await cluster.remove(KNATIVE_SERVICE, (await onlyService()).metadata?.name ?? "");
    expect(await exited).toEqual({ reason: "crashed", description: "its Service was removed" });
  });

  it("that Knative never starts fails after its time, with what it waits for", async () => {
    knative.close();
    const hasty = await startLauncher({
      settings: { ...settings, startTimeoutS: 0.2 },
      owner: { type: "outside", name: "hasty" },
    });
    await expect(hasty.launch(standInSpec(), "experts.1")).rejects.toMatchObject({
      code: "FUNCTION_START_FAILED",
      message: expect.stringContaining("its Service was not ready within 0.2 s: Knative has not told of it"),
    });
    await hasty.close();
  });

  it("that an earlier process of its owner left is cleared away", async () => {
    const killed = await openCluster({ kubeconfig: double.kubeconfig });
    const earlier = await startLauncher({ cluster: killed, owner: { type: "outside", name: "killed" } });
    await earlier.launch(standInSpec(), "experts.1");
    killed.close();
    const next = await startLauncher({ owner: { type: "outside", name: "killed" } });
    await vi.waitFor(async () => expect(await cluster.list(KNATIVE_SERVICE)).toEqual([]));
    await next.close();
    await earlier.close();
  });
});
