import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { DEPLOYMENT, type Deployment, POD, type Pod } from "../../src/kubernetes/kinds.ts";
import { commonLabels, ROLE_LABEL } from "../../src/kubernetes/labels.ts";
import { openTestCluster } from "../../src/kubernetes/testing/test-cluster.ts";
import { buildImage } from "../../src/platform/docker/image.ts";
import { type RunResult, runRemoe } from "../run-remoe.ts";
import { streamCompletion } from "../testing/stream-completion.ts";
import { killContainer } from "./testing/kill-container.ts";
import { listEverything } from "./testing/list-everything.ts";
import { restartApi } from "./testing/restart-api.ts";

const test = await openTestCluster("service");
const { namespace } = test;
/** The fixture has no proxy for Services, so that pods need another address of the API. */
const apiAddress = process.env["REMOE_K8S_API_FROM_PODS"] ?? "";
const missing = test.missing ?? (apiAddress === "" ? "pods cannot reach the API (REMOE_K8S_API_FROM_PODS)" : null);
const cluster = await test.open();
afterAll(async () => {
  cluster.close();
  await test.close();
});

const NAME = "tiny";
const KEEP_ALIVE_S = 6;
/** Long enough for something to happen meanwhile: with this seed the model goes on for 434 tokens. */
const LONG = { prompt: "Once upon a time", maxTokens: 500, seed: 2, without: [] };
const SHORT = { ...LONG, maxTokens: 24 };

const remoe = (command: readonly string[], ...flags: readonly string[]): Promise<RunResult> =>
  runRemoe([...command, NAME, "-n", namespace, ...flags], { env: { KUBECONFIG: process.env["KUBECONFIG"] ?? "" } });

async function deploy(...flags: readonly string[]): Promise<RunResult> {
  const { tag } = await buildImage();
  const { hostname, port } = new URL(apiAddress);
  return await remoe(
    ["deploy", "k8s"],
    ...["--image", tag, "--image-pull-policy", "Never", "--gateway-cpus", "0.1", "--gateway-memory", "512MiB"],
    ...["--env", `KUBERNETES_SERVICE_HOST=${hostname}`, "--env", `KUBERNETES_SERVICE_PORT=${port}`],
    ...["--remote-ratio", "0.5", "--memory", "400MiB", "--expert-memory", "300MiB", "--allow-unprotected"],
    ...["--keep-alive", `${KEEP_ALIVE_S}s`, ...flags],
  );
}

/** Those that are not on their way out. */
async function podsOf(component: "gateway" | "function"): Promise<readonly Pod[]> {
  const pods = await cluster.list(POD, { labels: commonLabels(NAME, component) });
  return pods.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
}

/** Of the gateway that serves. */
async function address(): Promise<string> {
  const [gateway] = await podsOf("gateway");
  return `http://${gateway?.status?.podIP}:8000`;
}

/** What one local function says to the same. */
async function expectedText({ prompt, maxTokens, seed }: typeof LONG): Promise<string> {
  const flags = [
    "--raw",
    "--max-tokens",
    `${maxTokens}`,
    "--seed",
    `${seed}`,
    "--temperature",
    "0.7",
    "--top-p",
    "1",
    "--json",
  ];
  const { stdout } = await runRemoe(["run", prompt, ...flags]);
  return (JSON.parse(stdout) as { readonly text: string }).text;
}

describe.skipIf(missing !== null)(`a model served by a cluster${missing === null ? "" : ` (${missing})`}`, () => {
  let before: readonly string[];
  let short: string;
  let long: string;
  beforeAll(async () => {
    before = await listEverything(namespace);
    [short, long] = [await expectedText(SHORT), await expectedText(LONG)];
    expect(await deploy()).toMatchObject({ code: 0 });
  });

  it("answers over the API as one local function does, with experts in another pod", async () => {
    const { text, bill } = await streamCompletion(await address(), SHORT);
    expect(text).toBe(short);
    expect(bill.items.map((item) => item.function)).toContain("experts-0-5");
    const roles = (await podsOf("function")).map(({ metadata }) => metadata?.labels?.[ROLE_LABEL]);
    expect(roles.toSorted()).toEqual(["experts", "main"]);
  });

  it.each(["main", "experts"])("streams on when the %s pod is killed", async (role) => {
    const url = await address();
    let killed: Promise<void> | undefined;
    const kill = async (): Promise<void> => {
      const victim = (await podsOf("function")).find(({ metadata }) => metadata?.labels?.[ROLE_LABEL] === role);
      await killContainer(victim?.metadata?.name ?? "");
    };
    const onProgress = (): void => {
      killed ??= kill();
    };
    const { text, faults } = await streamCompletion(url, { ...LONG, onProgress });
    await killed;
    expect(text).toBe(long);
    expect(faults.mainRestarts + faults.failedCalls + faults.lostReplicas).toBeGreaterThan(0);
  });

  it("scales to zero without requests, and from zero with the next one", async () => {
    const url = await address();
    const timing = { timeout: 60_000, interval: 500 };
    await vi.waitUntil(async () => (await podsOf("function")).length === 0, timing);
    const { text, timings } = await streamCompletion(url, SHORT);
    expect(text).toBe(short);
    expect(timings.coldStartMs).toBeGreaterThan(0);
  });

  it("streams on while the API of the cluster is restarted, and answers afterwards", async () => {
    const url = await address();
    const streams = [restartApi(), ...[1, 2, 3].map(() => streamCompletion(url, LONG).then(({ text }) => text))];
    expect((await Promise.all(streams)).slice(1)).toEqual([long, long, long]);
    await vi.waitUntil(async () => (await podsOf("function")).length === 0, { timeout: 90_000, interval: 500 });
    expect((await streamCompletion(url, SHORT)).text).toBe(short);
  });

  it("serves throughout a rolling update: the old gateway ends its streams, the new one takes the next", async () => {
    const old = await address();
    const streaming = streamCompletion(old, LONG);
    await delay(200);
    expect(await deploy("--max-queue", "32")).toMatchObject({ code: 0 });
    expect((await streaming).text).toBe(long);
    const url = await address();
    expect(url).not.toBe(old);
    expect((await streamCompletion(url, SHORT)).text).toBe(short);
    const deployment = (await cluster.read(DEPLOYMENT, NAME)) as Deployment;
    expect(deployment.spec?.template?.spec?.containers[0]?.args).toContain("32");
  });

  it("leaves nothing when it is undeployed, its function pods included", async () => {
    expect((await podsOf("function")).length).toBeGreaterThan(0);
    expect(await remoe(["undeploy"])).toMatchObject({ code: 0 });
    expect(await listEverything(namespace)).toEqual(before);
  });
});
