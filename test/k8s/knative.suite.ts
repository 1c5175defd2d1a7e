import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { renderManifests } from "../../src/deploy/render.ts";
import { SAMPLE_KEYS, sampleOptions } from "../../src/deploy/testing/sample-options.ts";
import { BUNDLED_MODEL } from "../../src/engine/testing/bundled-model.ts";
import { POD, type Pod } from "../../src/kubernetes/kinds.ts";
import { KNATIVE_SERVICE, type KnativeService } from "../../src/kubernetes/knative-service.ts";
import { COMPONENT_LABEL, ROLE_LABEL } from "../../src/kubernetes/labels.ts";
import { openTestCluster } from "../../src/kubernetes/testing/test-cluster.ts";
import { buildImage } from "../../src/platform/docker/image.ts";
import { type FunctionServiceOptions, functionService } from "../../src/platform/kubernetes/function-service.ts";
import { createKubernetesLauncher } from "../../src/platform/kubernetes/kubernetes-launcher.ts";
import { startKnative } from "../../src/platform/kubernetes/testing/stand-in-knative.ts";
import type { FunctionSpec } from "../../src/platform/platform.ts";
import { ask, questions, startSplit } from "../testing/split-system.ts";
import { CUSTOM_RESOURCE_DEFINITION, knativeDefinition } from "./testing/knative-definition.ts";
import { openAccount } from "./testing/open-account.ts";
import { startModelServer } from "./testing/start-model-server.ts";

const test = await openTestCluster("knative");
const { missing, namespace } = test;
const cluster = await test.open();
const definition = knativeDefinition();
const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
let image = "";
beforeAll(async () => {
  if (missing !== null) return;
  image = (await buildImage()).tag;
  await cluster.apply(definition);
  await vi.waitFor(() => cluster.list(KNATIVE_SERVICE), 10_000);
});
afterAll(async () => {
  if (missing === null) await cluster.remove(CUSTOM_RESOURCE_DEFINITION, definition.metadata?.name ?? "");
  cluster.close();
  await test.close();
  rmSync(folder, { recursive: true });
});

/** Two experts of the model in the image. */
const EXPERTS: FunctionSpec = {
  name: "experts-0",
  program: { role: "experts", model: "/app/models/tiny-moe/tiny-moe-q8_0.gguf", threads: 1, experts: [[0, 1]] },
  memoryMb: 256,
  vcpus: 0.5,
  concurrency: 1,
};
const OPTIONS: FunctionServiceOptions = {
  name: "remoe-experts-0-1",
  settings: {
    image: "remoe:1",
    imagePullSecrets: ["pull"],
    serviceAccountName: "functions",
    modelVolume: { mountPath: "/models", source: { persistentVolumeClaim: { claimName: "models", readOnly: true } } },
    nodeSelector: { disk: "fast" },
    tolerations: [{ key: "pool", operator: "Exists" }],
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "ScheduleAnyway" },
    ],
  },
  secretName: "keys",
  gateway: "gateway-1",
  owner: { apiVersion: "v1", kind: "Pod", name: "gateway-1", uid: "11111111-2222-3333-4444-555555555555" },
  environment: {},
  startTimeoutMs: 300_000,
  keepAliveMs: 60_000,
};

/** As it is handed to the API. */
const plain = <T>(object: T): T => JSON.parse(JSON.stringify(object)) as T;

describe.skipIf(missing !== null)(
  `Knative's schema in a real API server${missing === null ? "" : ` (${missing})`}`,
  () => {
    const gateways = renderManifests(sampleOptions({ namespace, knative: true }), {
      keys: SAMPLE_KEYS,
      disruptionBudgets: true,
    }).at(-1) as KnativeService;

    it.each([
      ["a function's", functionService(EXPERTS, OPTIONS)],
      ["the gateways'", gateways],
    ])("takes %s Service, and knows every field of it", async (_whose, service) => {
      const taken = await cluster.apply(service, { dryRun: true });
      expect(taken.spec).toEqual(plain(service.spec));
    });

    it.each([
      ["without a container", { containers: undefined }],
      ["whose concurrency is no number", { containerConcurrency: "many" }],
    ])("refuses one %s", async (_what, broken) => {
      const { spec, ...service } = functionService(EXPERTS, OPTIONS);
      const template = { ...spec?.template, spec: { ...spec?.template.spec, ...broken } };
      await expect(cluster.create({ ...service, spec: { template } })).rejects.toMatchObject({
        code: "KUBERNETES_REFUSED",
        details: { status: 422, reason: expect.stringContaining(`spec.template.spec.${Object.keys(broken)[0]}`) },
      });
    });
  },
);

describe.skipIf(missing !== null)("functions as Services of Knative", () => {
  let knative: { close(): void };
  beforeAll(async () => {
    knative = await startKnative(cluster);
  });
  afterAll(() => knative.close());

  it("answer as one local function does", async () => {
    const [prompt = ""] = questions(1);
    const question = { prompt, maxTokens: 40 };
    const model = `${await startModelServer(cluster, image)}/${basename(BUNDLED_MODEL)}`;
    const settings = { functions: "knative-services", namespace, image, imagePullPolicy: "Never" };
    const kubernetesSettings = join(folder, "kubernetes.json");
    writeFileSync(kubernetesSettings, JSON.stringify(settings));
    const plan = { remoteRatio: 0.5, memoryMb: 400, expertMemoryMb: 300 };
    const system = await startSplit(plan, { model, platform: "kubernetes", kubernetesSettings });
    const { tokens, trace } = await ask(system, question);
    const services = await cluster.list(KNATIVE_SERVICE);
    await system.stop(5_000);

    const whole = await startSplit({});
    expect(tokens).toEqual((await ask(whole, question)).tokens);
    await whole.stop(1_000);
    expect(trace.experts?.remoteRows).toBeGreaterThan(0);
    expect(services.map(({ metadata }) => metadata?.labels?.[ROLE_LABEL]).toSorted()).toEqual(["experts", "main"]);
    expect(await cluster.list(KNATIVE_SERVICE)).toEqual([]);
    const labels = { [COMPONENT_LABEL]: "function" };
    await vi.waitUntil(async () => (await cluster.list(POD, { labels })).length === 0, {
      timeout: 60_000,
      interval: 500,
    });
  });

  it("need of a gateway's rights those to create, delete, list and watch them, no more", async () => {
    const verbs = ["create", "delete", "list", "watch"];
    const rules = [{ apiGroups: ["serving.knative.dev"], resources: ["services"], verbs }];
    const limited = await openAccount(cluster, { name: "gateway", rules });
    await cluster.create({
      ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "keys" } },
      ...{ data: { "function-secret": Buffer.from("secret").toString("base64") } },
    });
    const { metadata } = await cluster.create<Pod>({
      ...{ apiVersion: "v1", kind: "Pod", metadata: { name: "gateway-1" } },
      // It need not run to own others.
      spec: { containers: [{ name: "gateway", image }], nodeSelector: { node: "none" } },
    });
    const launcher = await createKubernetesLauncher({
      cluster: limited,
      settings: { functions: "knative-services", image, imagePullPolicy: "Never", secretName: "keys" },
      secret: "secret",
      owner: { type: "pod", name: "gateway-1", uid: metadata?.uid ?? "" },
    });
    const { endpoint, coldStart, stop } = await launcher.launch(EXPERTS, "experts-0.1");
    expect(endpoint).toMatch(/^http:/);
    expect(coldStart.weightsMs).toBeGreaterThan(0);
    await stop(1_000);
    await launcher.close();
    limited.close();
  });
});
