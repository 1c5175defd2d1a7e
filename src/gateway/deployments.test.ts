import { describe, expect, it, onTestFinished, vi } from "vitest";
import { remoeError } from "../core/errors.ts";
import { SharedTime } from "../core/shared-time.ts";
import type { Plan } from "../planner/plan.ts";
import { createPlatform } from "../platform/instance-pool.ts";
import { createManualTime } from "../platform/testing/manual-time.ts";
import { createScriptedLauncher } from "../platform/testing/scripted-launcher.ts";
import type { ConnectedMain } from "./connect-mains.ts";
import { Deployments } from "./deployments.ts";
import { waitUntil } from "./testing/wait-until.ts";

const SPLIT: Plan = {
  specMain: { memoryMb: 2048 },
  layers: [{ layer: 0, remote: [2, 3], function: "experts-0", memoryMb: 512, replicas: [[2, 3]] }],
};
const UNSPLIT: Plan = { specMain: { memoryMb: 1024 }, layers: [] };
const never = new AbortController().signal;
const idle: ConnectedMain = {
  time: new SharedTime(() => 0),
  async *generate() {},
  finish: async () => {},
  provide: async () => {},
};

function createTestDeployments(parallel = 1) {
  const launcher = createScriptedLauncher({ prepares: true });
  const time = createManualTime();
  const platform = createPlatform(launcher, { clock: time.clock, schedule: time.schedule });
  onTestFinished(async () => {
    const closed = platform.close(0);
    for (const each of [...launcher.starts, ...launcher.preparations]) each.end();
    await closed;
  });
  const deployments = new Deployments({
    platform,
    program: {
      model: "tiny.gguf",
      layers: 1,
      experts: 4,
      contextLength: 64,
      parallel,
      numerics: "default",
      device: null,
      threads: 1,
      processors: 2,
    },
    connect: () => idle,
    rows: "f32",
    rounding: { granularityMs: 1, minimumMs: 0 },
    gpuMemoryMb: 0,
  });
  /** Lets so many functions become ready. */
  const ready = async (count: number): Promise<void> => {
    await waitUntil(() => launcher.starts.length >= count);
    for (const start of launcher.starts.slice(-count)) start.becomeReady();
  };
  return { deployments, launcher, ready };
}

describe("deployments", () => {
  it("are warm once every function of the plan waits for a request, and not while one uses them", async () => {
    const { deployments, ready } = createTestDeployments();
    const acquired = deployments.acquire(SPLIT, never);
    await ready(2);
    const functions = await acquired;
    expect(deployments.isWarm(SPLIT)).toBe(false);
    functions.release();
    expect(deployments.isWarm(SPLIT)).toBe(true);
    expect(deployments.isWarm(UNSPLIT)).toBe(false);
    expect(deployments.warmPlans()).toEqual([SPLIT]);
  });

  it("stay warm while requests use them, as long as there is room for one more", async () => {
    const { deployments, launcher, ready } = createTestDeployments(2);
    const acquired = deployments.acquire(SPLIT, never);
    await ready(2);
    const first = await acquired;
    expect(deployments.isWarm(SPLIT)).toBe(true);
    const second = await deployments.acquire(SPLIT, never);
    expect(deployments.isWarm(SPLIT)).toBe(false);
    first.release();
    expect(deployments.isWarm(SPLIT)).toBe(true);
    second.release();
    expect(launcher.starts).toHaveLength(2);
  });

  it("started early serve every request there is room for; the first has their cold start", async () => {
    const { deployments, launcher, ready } = createTestDeployments(2);
    const started = deployments.start(UNSPLIT, never);
    await ready(1);
    await started;
    const both = await Promise.all([deployments.acquire(UNSPLIT, never), deployments.acquire(UNSPLIT, never)]);
    expect(both.map(({ coldStart }) => coldStart !== null)).toEqual([true, false]);
    expect(launcher.starts).toHaveLength(1);
  });

  it("know a plan again by what it says", async () => {
    const { deployments, launcher, ready } = createTestDeployments();
    const acquired = deployments.acquire(UNSPLIT, never);
    await ready(1);
    (await acquired).release();
    expect(deployments.isWarm(structuredClone(UNSPLIT))).toBe(true);
    expect(deployments.known(structuredClone(UNSPLIT))).toBe(UNSPLIT);
    (await deployments.acquire(structuredClone(UNSPLIT), never)).release();
    expect(launcher.starts).toHaveLength(1);
  });

  it("started early belong to the first request that wants them", async () => {
    const { deployments, launcher, ready } = createTestDeployments();
    const started = deployments.start(UNSPLIT, never);
    expect(deployments.isWarm(UNSPLIT)).toBe(false);
    await ready(1);
    await started;
    expect(deployments.isWarm(UNSPLIT)).toBe(true);
    const first = await deployments.acquire(UNSPLIT, never);
    expect(first.coldStart).not.toBeNull();
    expect(deployments.isWarm(UNSPLIT)).toBe(false);
    first.release();
    expect((await deployments.acquire(UNSPLIT, never)).coldStart).toBeNull();
    expect(launcher.starts).toHaveLength(1);
  });

  it("started early that nobody wants go back after a minute, with what they cost for who uses them next", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const { deployments, launcher, ready } = createTestDeployments();
    const started = deployments.start(UNSPLIT, never);
    await ready(1);
    await started;
    vi.advanceTimersByTime(60_000);
    vi.useRealTimers();
    const [usage] = (await deployments.acquire(UNSPLIT, never)).usage();
    expect(usage?.coldStartMs).toBeGreaterThan(0);
    expect(launcher.starts).toHaveLength(1);
  });

  it("are not started twice", async () => {
    const { deployments, launcher, ready } = createTestDeployments();
    const both = [deployments.start(UNSPLIT, never), deployments.start(UNSPLIT, never)];
    await ready(1);
    await Promise.all(both);
    await deployments.start(UNSPLIT, never);
    expect(launcher.starts).toHaveLength(1);
  });

  it("try again after an early start that failed", async () => {
    const { deployments, launcher, ready } = createTestDeployments();
    const failing = deployments.start(UNSPLIT, never);
    await waitUntil(() => launcher.starts.length === 1);
    launcher.starts[0]?.fail(remoeError("FUNCTION_START_FAILED", { role: "main", reason: "no" }));
    await expect(failing).rejects.toMatchObject({ code: "FUNCTION_START_FAILED" });
    const again = deployments.acquire(UNSPLIT, never);
    await waitUntil(() => launcher.starts.length === 2);
    await ready(1);
    expect((await again).coldStart).not.toBeNull();
  });
});

describe("a start that is expected", () => {
  const ordersOf = ({ launcher }: ReturnType<typeof createTestDeployments>) =>
    launcher.preparations.map(({ orders }) => orders);

  it("is prepared, and given up when it is expected no more", () => {
    const stage = createTestDeployments();
    const stopExpecting = stage.deployments.expectStart();
    expect(ordersOf(stage)).toEqual([[]]);
    stopExpecting();
    expect(ordersOf(stage)).toEqual([["discard"]]);
  });

  it("is the main function's of whatever plan is chosen", async () => {
    const stage = createTestDeployments();
    const stopExpecting = stage.deployments.expectStart();
    const acquired = stage.deployments.acquire(SPLIT, never);
    await stage.ready(2);
    await acquired;
    stopExpecting();
    expect(ordersOf(stage)).toEqual([["launch"]]);
  });

  it("is not prepared while functions are warm", async () => {
    const stage = createTestDeployments();
    const acquired = stage.deployments.acquire(UNSPLIT, never);
    await stage.ready(1);
    (await acquired).release();
    stage.deployments.expectStart()();
    expect(ordersOf(stage)).toEqual([]);
  });

  it("is not prepared beside a start under way, for a request or early", async () => {
    const stage = createTestDeployments();
    const acquired = stage.deployments.acquire(UNSPLIT, never);
    stage.deployments.expectStart()();
    await stage.ready(1);
    await acquired;
    const early = stage.deployments.start(SPLIT, never);
    await stage.ready(1); // The main function; its expert function still starts.
    stage.deployments.expectStart()();
    await stage.ready(2);
    await early;
    expect(ordersOf(stage)).toEqual([]);
  });
});
