import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startSystem } from "../src/cli/system.ts";
import { BUNDLED_MODEL } from "../src/engine/testing/bundled-model.ts";
import type { Cluster } from "../src/kubernetes/cluster.ts";
import { CONFIG_MAP, POD, SECRET } from "../src/kubernetes/kinds.ts";
import { openCluster } from "../src/kubernetes/open-cluster.ts";
import { type ApiDouble, startApiDouble } from "../src/kubernetes/testing/api-double.ts";
import { listStaying } from "../src/kubernetes/testing/list-staying.ts";
import { createKubernetesLauncher } from "../src/platform/kubernetes/kubernetes-launcher.ts";
import { startKubelet } from "../src/platform/kubernetes/testing/process-kubelet.ts";
import type { Launcher } from "../src/platform/launcher.ts";
import { createLimiter, type Limiter } from "../src/platform/local/limiter.ts";
import { packageRoot } from "../src/platform/package-root.ts";
import type { FunctionSpec } from "../src/platform/platform.ts";

const IMAGE = "remoe:1";
const EXPERTS: FunctionSpec = {
  name: "experts-0",
  program: { role: "experts", model: BUNDLED_MODEL, threads: 1, experts: [[0, 1]] },
  memoryMb: 256,
  vcpus: 1,
  concurrency: 1,
};

describe.runIf(process.platform === "linux")("Remoe's own functions as pods (needs Linux's loopback addresses)", () => {
  let limiter: Limiter;
  let double: ApiDouble;
  let kubelet: { close(): void };
  let cluster: Cluster;
  let launcher: Launcher;
  beforeAll(async () => {
    limiter = await createLimiter("unlimited", null);
    double = await startApiDouble();
    const program = join(packageRoot(), "dist", "functions", "program.js");
    kubelet = startKubelet(double, { image: IMAGE, program, limiter });
    cluster = await openCluster({ kubeconfig: double.kubeconfig });
    const owner = { type: "outside", name: "test" } as const;
    launcher = await createKubernetesLauncher({ cluster, settings: { image: IMAGE }, secret: "secret", owner });
  });
  afterAll(async () => {
    await launcher.close();
    cluster.close();
    kubelet.close();
    await double.close();
  });

  it("report their start over the lifeline, and end when they are asked to", async () => {
    const { coldStart, exited, stop } = await launcher.launch(EXPERTS, "experts-0.1");
    expect(Math.min(coldStart.processMs, coldStart.librariesMs, coldStart.weightsMs)).toBeGreaterThan(0);
    await stop(5_000);
    expect(await exited).toMatchObject({ reason: "stopped" });
  });

  it("leave nothing of a system that is told to run what it cannot", async () => {
    const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
    const kubernetesSettings = join(folder, "kubernetes.json");
    writeFileSync(kubernetesSettings, JSON.stringify({ image: IMAGE }));
    vi.stubEnv("KUBECONFIG", double.kubeconfig);
    const before = await listStaying(cluster, [POD, CONFIG_MAP, SECRET]);
    const started = startSystem({ platform: "kubernetes", kubernetesSettings, plan: { file: "/nowhere/plan.json" } });
    await expect(started).rejects.toMatchObject({ code: "PLAN_INVALID" });
    expect(await listStaying(cluster, [POD, CONFIG_MAP, SECRET])).toEqual(before);
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  it("leave their own error where the API finds it", async () => {
    const program = { ...EXPERTS.program, model: "/nowhere/model.gguf" };
    await expect(launcher.launch({ ...EXPERTS, program }, "experts-0.2")).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      details: { path: "/nowhere/model.gguf" },
    });
  });
});
