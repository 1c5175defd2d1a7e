import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { System, SystemOptions } from "../../src/cli/system.ts";
import { BUNDLED_MODEL } from "../../src/engine/testing/bundled-model.ts";
import { POD, type Pod } from "../../src/kubernetes/kinds.ts";
import { COMPONENT_LABEL, ROLE_LABEL } from "../../src/kubernetes/labels.ts";
import { openTestCluster } from "../../src/kubernetes/testing/test-cluster.ts";
import type { PriceBook } from "../../src/ledger/price-book.ts";
import { PRICE_BOOKS } from "../../src/ledger/price-books.ts";
import { buildImage } from "../../src/platform/docker/image.ts";
import { packageRoot } from "../../src/platform/package-root.ts";
import { type Answer, ask, questions, startSplit } from "../testing/split-system.ts";
import { killContainer } from "./testing/kill-container.ts";
import { MODEL_SERVER, startModelServer } from "./testing/start-model-server.ts";

const test = await openTestCluster("system");
const { missing, namespace } = test;
const cluster = await test.open();
const folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
const settings = join(folder, "kubernetes.json");
afterAll(async () => {
  cluster.close();
  await test.close();
  rmSync(folder, { recursive: true });
});

/** Together less than the processors of a small node. */
const SPLIT = { remoteRatio: 0.5, memoryMb: 400, expertMemoryMb: 300 } as const;
/** Long enough for the cluster to end a pod meanwhile. */
const MAX_TOKENS = 300;
const [prompt = ""] = questions(1);
const question = { prompt, maxTokens: MAX_TOKENS };

const startPods = (more: Partial<SystemOptions> = {}): Promise<System> =>
  startSplit(SPLIT, { platform: "kubernetes", kubernetesSettings: settings, ...more });

beforeAll(async () => {
  if (missing !== null) return;
  const { tag: image } = await buildImage();
  const models = join(packageRoot(), "models");
  const modelVolume = { mountPath: models, source: { hostPath: { path: models } } };
  writeFileSync(settings, JSON.stringify({ namespace, image, imagePullPolicy: "Never", modelVolume }));
});

/** Those that are not on their way out. */
async function functionPods(role?: "main" | "experts"): Promise<readonly Pod[]> {
  const labels = { [COMPONENT_LABEL]: "function", ...(role && { [ROLE_LABEL]: role }) };
  const pods = await cluster.list(POD, { labels });
  return pods.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
}

const deletePod = (name: string): Promise<void> => cluster.remove(POD, name, { graceS: 0 });

describe.skipIf(missing !== null)(`a model split over pods${missing === null ? "" : ` (${missing})`}`, () => {
  let system: System;
  let expected: Answer;
  beforeAll(async () => {
    const whole = await startSplit({});
    expected = await ask(whole, question);
    await whole.stop(1_000);
  });
  beforeEach(async () => {
    system = await startPods();
  });
  afterEach(() => system.stop(5_000));

  it("answers as it does in one local function", async () => {
    const { tokens, text, trace } = await ask(system, question);
    expect({ tokens, text }).toEqual({ tokens: expected.tokens, text: expected.text });
    expect(trace.experts?.remoteRows).toBeGreaterThan(0);
    expect(trace.coldStart?.pod).toMatchObject({ scheduleMs: expect.any(Number), containerMs: expect.any(Number) });
  });

  it.each([
    ["experts", "is killed", killContainer],
    ["main", "is killed", killContainer],
    ["experts", "is deleted", deletePod],
    ["main", "is deleted", deletePod],
  ] as const)("goes on with every token when a pod with the role %s %s", async (role, how, end) => {
    let ended: Promise<void> | undefined;
    const endOne = async (): Promise<void> => {
      const [victim] = await functionPods(role);
      await end(victim?.metadata?.name ?? "");
    };
    const { tokens, trace } = await ask(system, {
      ...question,
      onProgress: (count) => {
        if (count >= 5) ended ??= endOne();
      },
    });
    await ended;
    expect(tokens).toEqual(expected.tokens);
    // One that is deleted ends its work first.
    if (how === "is killed") {
      expect(trace.faults.mainRestarts + trace.faults.failedCalls + trace.faults.lostReplicas).toBeGreaterThan(0);
    }
    expect((await ask(system, question)).tokens).toEqual(expected.tokens);
  });

  it("leaves no pod behind", async () => {
    await system.stop(5_000);
    expect(await functionPods()).toEqual([]);
  });
});

describe.skipIf(missing !== null)("a model behind a URL", () => {
  const MODEL = basename(BUNDLED_MODEL);

  it("is fetched by each function as far as it needs it, and answers the same", async () => {
    const { tag } = await buildImage();
    const url = await startModelServer(cluster, tag);
    const whole = await startSplit({});
    const expected = await ask(whole, question);
    await whole.stop(1_000);
    const system = await startPods({ model: `${url}/${MODEL}` });
    const addresses = new Map(
      (await functionPods()).map(({ metadata, status }) => [metadata?.labels?.[ROLE_LABEL], status?.podIP ?? ""]),
    );
    expect((await ask(system, question)).tokens).toEqual(expected.tokens);
    const served = (await (await fetch(`${url}/served`)).json()) as Record<string, number>;
    await system.stop(5_000);
    await cluster.remove(POD, MODEL_SERVER);
    const shareOf = (role: string): number => (served[addresses.get(role) ?? ""] ?? 0) / statSync(BUNDLED_MODEL).size;
    // Half of the experts, which are 87 % of the file; everything else; header and samples for both.
    expect(shareOf("experts")).toBeGreaterThan(0.43);
    expect(shareOf("experts")).toBeLessThan(0.52);
    expect(shareOf("main")).toBeGreaterThan(0.5);
    expect(shareOf("main")).toBeLessThan(0.65);
  });
});

describe.skipIf(missing !== null)("what pods cost", () => {
  /** The API tells times in whole seconds: over two minutes they are off by a half percent at most. */
  const LONG_ENOUGH_MS = 120_000;

  it("is what bills and metrics say, within 1 % of the pods' resources × time as the API tells them", async () => {
    const priceBook = PRICE_BOOKS.get("kubernetes-m7i") as PriceBook;
    // In whole seconds, as the API has it.
    const began = 1000 * Math.ceil(Date.now() / 1000);
    await delay(began - Date.now());
    const pods = new Map<string, Pod>();
    const watch = cluster.watch(POD, {
      labels: { [COMPONENT_LABEL]: "function" },
      onChange({ object }) {
        const { name = "", creationTimestamp } = object.metadata ?? {};
        if (Date.parse(String(creationTimestamp)) >= began) pods.set(name, object);
      },
    });
    await watch.ready;
    const system = await startPods({ priceBook });
    let untold = 0;
    system.platform.onEvent((event) => {
      if (event.type !== "exited") return;
      untold += (event.instance.memoryMb / 1024) * ((event.untold.startMs + event.untold.idleMs) / 1000);
    });
    const bills: number[] = [];
    while (Date.now() - began < LONG_ENOUGH_MS) {
      const { trace } = await ask(system, question);
      bills.push(trace.bill.gbSeconds);
      await delay(5_000);
    }
    await system.stop(5_000);
    // The last the API has to tell of a pod is the end of its container; a busy node takes seconds to report it.
    const held = await vi.waitFor(() => sum([...pods.values()].map(gbSecondsOf)), { timeout: 30_000 });
    watch.close();
    const used = sum([...bills, untold]);
    expect(pods.size).toBe(2);
    process.stderr.write(`bills and metrics say ${used.toFixed(2)} GB-s, the API ${held.toFixed(2)}\n`);
    expect(Math.abs(used / held - 1)).toBeLessThan(0.01);
  }, 240_000);
});

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * Memory that the API says a pod had, × the time from its place on a node to the end of its container.
 * @throws before the API has told of both
 */
function gbSecondsOf({ spec, status }: Pod): number {
  const bytes = Number(spec?.containers[0]?.resources?.requests?.["memory"]);
  const scheduled = status?.conditions?.find(({ type }) => type === "PodScheduled")?.lastTransitionTime;
  const ended = status?.containerStatuses?.[0]?.state?.terminated?.finishedAt;
  const seconds = (Date.parse(String(ended)) - Date.parse(String(scheduled))) / 1000;
  if (Number.isNaN(seconds)) throw new Error(`scheduled ${scheduled}, ended ${ended}`);
  return (bytes / 2 ** 30) * seconds;
}
