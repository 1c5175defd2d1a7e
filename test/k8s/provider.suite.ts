import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { CONFIG_MAP, POD, type Pod, SECRET } from "../../src/kubernetes/kinds.ts";
import { COMPONENT_LABEL, GATEWAY_LABEL } from "../../src/kubernetes/labels.ts";
import { openTestCluster } from "../../src/kubernetes/testing/test-cluster.ts";
import { buildImage } from "../../src/platform/docker/image.ts";
import { createPlatform } from "../../src/platform/instance-pool.ts";
import {
  createKubernetesLauncher,
  type KubernetesLauncherOptions,
} from "../../src/platform/kubernetes/kubernetes-launcher.ts";
import type { Launcher } from "../../src/platform/launcher.ts";
import { packageRoot } from "../../src/platform/package-root.ts";
import type { FunctionSpec } from "../../src/platform/platform.ts";
import { callStandIn } from "../../src/platform/testing/call-stand-in.ts";
import { describePlatform } from "../../src/platform/testing/platform-conformance.ts";
import { STAND_IN_PROGRAM, standInSpec } from "../../src/platform/testing/stand-in-spec.ts";
import { openAccount } from "./testing/open-account.ts";
import { restartApi } from "./testing/restart-api.ts";

const test = await openTestCluster("provider");
const { missing, namespace } = test;
if (missing !== null) process.stderr.write(`test:k8s is skipped: ${missing}\n`);
const cluster = await test.open();
afterAll(async () => {
  cluster.close();
  await test.close();
});
const images = missing === null ? await buildImages() : { standIn: "", remoe: "" };

async function buildImages() {
  const standIn = await buildImage({ program: STAND_IN_PROGRAM });
  const remoe = await buildImage();
  return { standIn: standIn.tag, remoe: remoe.tag };
}

const standInSettings = { image: images.standIn, imagePullPolicy: "Never" } as const;
const startLauncher = (options: Partial<KubernetesLauncherOptions> = {}): Promise<Launcher> =>
  createKubernetesLauncher({
    cluster,
    settings: standInSettings,
    secret: "secret",
    owner: { type: "outside", name: "test" },
    ...options,
  });

/** Two experts of the model in the image. */
const EXPERTS: FunctionSpec = {
  name: "experts-0",
  program: { role: "experts", model: "/app/models/tiny-moe/tiny-moe-q8_0.gguf", threads: 1, experts: [[0, 1]] },
  memoryMb: 256,
  vcpus: 0.5,
  concurrency: 1,
};

/** Whatever of a gateway is not on its way out. */
async function leftovers(): Promise<readonly string[]> {
  const pods = await cluster.list(POD, { labels: { [COMPONENT_LABEL]: "function" } });
  const secrets = await cluster.list(SECRET, { labels: { [COMPONENT_LABEL]: "function" } });
  const owners = await cluster.list(CONFIG_MAP, { labels: { [COMPONENT_LABEL]: "gateway" } });
  return [...pods, ...secrets, ...owners].flatMap(({ kind, metadata }) =>
    metadata?.deletionTimestamp === undefined ? [`${kind} ${metadata?.name}`] : [],
  );
}

const podsOf = (gateway: string): Promise<readonly Pod[]> =>
  cluster.list(POD, { labels: { [GATEWAY_LABEL]: gateway } });

describePlatform("the platform kubernetes", async (options) => createPlatform(await startLauncher(), options), {
  limits: { memory: "pod", cpu: "pod" },
  leftovers,
  skipReason: missing,
});

describe.skipIf(missing !== null)("a function in a pod", () => {
  let launcher: Launcher;
  beforeEach(async () => {
    launcher = await startLauncher();
  });
  afterEach(async () => {
    await launcher.close();
    expect(await leftovers()).toEqual([]);
  });

  it("that somebody deletes is replaced at once", async () => {
    const platform = createPlatform(launcher);
    const lease = await platform.acquire(standInSpec());
    const [pod] = (await podsOf("test")).filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
    await cluster.remove(POD, pod?.metadata?.name ?? "");
    expect(await lease.exited).toEqual({ reason: "crashed", description: "its pod was deleted" });
    const other = await platform.acquire(standInSpec());
    expect(await callStandIn(other.endpoint, "/pid")).toEqual(expect.any(Number));
    await platform.close(1_000);
  });

  it("has a log", async () => {
    const { stop } = await launcher.launch(standInSpec({ start: { say: "Hello!" } }), "experts.1");
    const [name = ""] = (await leftovers()).flatMap((left) => left.match(/(?<=^Pod ).*/) ?? []);
    const log = cluster.logs(name, { follow: true });
    for await (const line of log) {
      expect(line).toBe("Hello!");
      break;
    }
    await stop(1_000);
  });

  it("that no node has room for fails in the scheduler's words", async () => {
    const impatient = await startLauncher({
      settings: { ...standInSettings, startTimeoutS: 2 },
      owner: { type: "outside", name: "impatient" },
    });
    await expect(impatient.launch(standInSpec({ vcpus: 1_000 }), "experts.1")).rejects.toMatchObject({
      code: "FUNCTION_START_FAILED",
      message: expect.stringMatching(/within 2 s: Unschedulable: .*Insufficient cpu/),
    });
    await impatient.close();
  });

  it("whose image is missing fails at once, by its name", async () => {
    const settings = { image: "remoe-test/missing:1", imagePullPolicy: "Never" } as const;
    const misled = await startLauncher({ settings, owner: { type: "outside", name: "misled" } });
    await expect(misled.launch(standInSpec(), "experts.1")).rejects.toMatchObject({
      code: "FUNCTION_START_FAILED",
      message: expect.stringMatching(/ErrImageNeverPull: .*remoe-test\/missing:1/),
    });
    await misled.close();
  });

  it("works on while the API server is restarted, and is stopped by the new one", async () => {
    const { endpoint, exited, stop } = await launcher.launch(standInSpec(), "experts.1");
    await restartApi();
    expect(await callStandIn(endpoint, "/pid")).toEqual(expect.any(Number));
    await stop(1_000);
    expect(await exited).toMatchObject({ reason: "stopped" });
    const { stop: stopOther } = await launcher.launch(standInSpec(), "experts.2");
    await stopOther(1_000);
  });
});

describe.skipIf(missing !== null)("a real expert function in a pod", () => {
  it("starts with the experts it is told to hold, and knows where its cold start went", async () => {
    const launcher = await startLauncher({ settings: { ...standInSettings, image: images.remoe } });
    const { coldStart, stop } = await launcher.launch(EXPERTS, "experts-0.1");
    process.stderr.write(`cold start of a pod: ${JSON.stringify(coldStart)}\n`);
    const { pod, processMs, librariesMs, weightsMs, totalMs } = coldStart;
    expect(Math.min(pod?.scheduleMs ?? 0, pod?.containerMs ?? 0, processMs, librariesMs, weightsMs)).toBeGreaterThan(0);
    expect(totalMs).toBeGreaterThan((pod?.scheduleMs ?? 0) + (pod?.containerMs ?? 0));
    await stop(1_000);
    await launcher.close();
  });

  it("that cannot start says why", async () => {
    const launcher = await startLauncher({ settings: { ...standInSettings, image: images.remoe } });
    const lost = { ...EXPERTS, program: { ...EXPERTS.program, model: "/models/none.gguf" } };
    await expect(launcher.launch(lost, "experts-0.1")).rejects.toMatchObject({
      code: "MODEL_NOT_FOUND",
      details: { path: "/models/none.gguf" },
    });
    await launcher.close();
  });
});

describe.skipIf(missing !== null)("the rights of a gateway in a pod", () => {
  it("are to create, delete, list and watch pods, no more", async () => {
    const verbs = ["create", "delete", "list", "watch"];
    const limited = await openAccount(cluster, {
      name: "gateway",
      rules: [{ apiGroups: [""], resources: ["pods"], verbs }],
    });
    await cluster.create({
      ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "keys" } },
      ...{ data: { "function-secret": Buffer.from("secret").toString("base64") } },
    });
    const { metadata } = await cluster.create<Pod>({
      ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "gateway-1" } },
      // It need not run to own others.
      spec: { containers: [{ name: "gateway", image: images.remoe }], nodeSelector: { node: "none" } },
    });
    const launcher = await startLauncher({
      cluster: limited,
      settings: { ...standInSettings, secretName: "keys" },
      owner: { type: "pod", name: "gateway-1", uid: metadata?.uid ?? "" },
    });
    const { endpoint, stop } = await launcher.launch(standInSpec(), "experts.1");
    expect(await callStandIn(endpoint, "/pid")).toEqual(expect.any(Number));
    await stop(1_000);
    await launcher.close();
    limited.close();
  });
});

describe.skipIf(missing !== null)("when the gateway is killed", () => {
  let folder: string;
  let program: string;
  beforeAll(async () => {
    // In the project's folder, where packages are found.
    folder = mkdtempSync(join(packageRoot(), "node_modules", ".remoe-test-"));
    program = join(folder, "crashing-gateway.mjs");
    const entry = join(packageRoot(), "src", "platform", "kubernetes", "testing", "crashing-gateway.ts");
    await build({
      entryPoints: [entry],
      outfile: program,
      bundle: true,
      platform: "node",
      target: "node20",
      format: "esm",
      packages: "external",
    });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("its functions end by themselves, and the next one of its name clears away what is left", async () => {
    const args = [program, namespace, images.remoe, "killed", JSON.stringify(EXPERTS)];
    const gateway = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    await once(createInterface({ input: gateway.stdout }), "line");
    gateway.kill("SIGKILL");
    const phase = async (): Promise<string | undefined> => (await podsOf("killed"))[0]?.status?.phase;
    await vi.waitUntil(async () => (await phase()) === "Succeeded", { timeout: 60_000, interval: 500 });
    const next = await startLauncher({ owner: { type: "outside", name: "killed" } });
    await vi.waitUntil(async () => (await podsOf("killed")).length === 0, { timeout: 60_000, interval: 500 });
    await next.close();
    expect(await leftovers()).toEqual([]);
  });
});
