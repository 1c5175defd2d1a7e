import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { System } from "../src/cli/system.ts";
import type { Cluster } from "../src/kubernetes/cluster.ts";
import { KNATIVE_SERVICE } from "../src/kubernetes/knative-service.ts";
import { ROLE_LABEL } from "../src/kubernetes/labels.ts";
import { openCluster } from "../src/kubernetes/open-cluster.ts";
import { type ApiDouble, startApiDouble } from "../src/kubernetes/testing/api-double.ts";
import { createKubernetesLauncher } from "../src/platform/kubernetes/kubernetes-launcher.ts";
import { startKubelet } from "../src/platform/kubernetes/testing/process-kubelet.ts";
import { startKnative } from "../src/platform/kubernetes/testing/stand-in-knative.ts";
import { createLimiter, type Limiter } from "../src/platform/local/limiter.ts";
import { packageRoot } from "../src/platform/package-root.ts";
import { ask, questions, startSplit } from "./testing/split-system.ts";

const IMAGE = "remoe:1";
const [prompt = ""] = questions(1);
const question = { prompt, maxTokens: 40 };

describe.runIf(process.platform === "linux")(
  "a model split over Services of Knative (needs Linux's loopback addresses)",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
    let limiter: Limiter;
    let double: ApiDouble;
    let kubelet: { close(): void };
    let knative: { close(): void };
    let cluster: Cluster;
    let system: System;
    beforeAll(async () => {
      limiter = await createLimiter("unlimited", null);
      double = await startApiDouble();
      const program = join(packageRoot(), "dist", "functions", "program.js");
      kubelet = startKubelet(double, { image: IMAGE, program, limiter });
      cluster = await openCluster({ kubeconfig: double.kubeconfig });
      knative = await startKnative(cluster);
      const kubernetesSettings = join(folder, "kubernetes.json");
      writeFileSync(kubernetesSettings, JSON.stringify({ functions: "knative-services", image: IMAGE }));
      vi.stubEnv("KUBECONFIG", double.kubeconfig);
      const plan = { remoteRatio: 0.5, memoryMb: 400, expertMemoryMb: 300 };
      system = await startSplit(plan, { platform: "kubernetes", kubernetesSettings });
    });
    afterAll(async () => {
      vi.unstubAllEnvs();
      knative.close();
      cluster.close();
      kubelet.close();
      await double.close();
      rmSync(folder, { recursive: true });
    });

    it("answers as it does in one local function, by HTTP between functions", async () => {
      const whole = await startSplit({});
      const expected = await ask(whole, question);
      await whole.stop(1_000);
      const { tokens, trace } = await ask(system, question);
      expect(tokens).toEqual(expected.tokens);
      expect(trace.experts?.remoteRows).toBeGreaterThan(0);
      const { processMs = 0, librariesMs = 0, weightsMs = 0 } = trace.coldStart ?? {};
      expect(Math.min(processMs, librariesMs, weightsMs)).toBeGreaterThan(0);
      const services = await cluster.list(KNATIVE_SERVICE);
      expect(services.map(({ metadata }) => metadata?.labels?.[ROLE_LABEL]).toSorted()).toEqual(["experts", "main"]);
    });

    it("says why a function cannot start", async () => {
      const launcher = await createKubernetesLauncher({
        cluster,
        settings: { functions: "knative-services", image: IMAGE },
        secret: "secret",
        owner: { type: "outside", name: "misled" },
      });
      const program = { role: "experts", model: "/nowhere/model.gguf", threads: 1, experts: [[0]] } as const;
      const spec = { name: "experts-0", program, memoryMb: 256, vcpus: 1, concurrency: 1 };
      await expect(launcher.launch(spec, "experts-0.1")).rejects.toMatchObject({
        code: "MODEL_NOT_FOUND",
        details: { path: "/nowhere/model.gguf" },
      });
      await launcher.close();
    });

    it("leaves no Service behind", async () => {
      await system.stop(5_000);
      expect(await cluster.list(KNATIVE_SERVICE)).toEqual([]);
    });
  },
);
