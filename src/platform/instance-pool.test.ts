import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { remoeError } from "../core/errors.ts";
import { createPlatform, type PlatformOptions } from "./instance-pool.ts";
import type { Exit, FunctionSpec, Lease, Platform } from "./platform.ts";
import { createManualTime } from "./testing/manual-time.ts";
import { COLD_START, createScriptedLauncher, type ScriptedStart, STOPPED } from "./testing/scripted-launcher.ts";

const MAIN: FunctionSpec = {
  name: "main",
  program: {
    role: "main",
    model: "tiny.gguf",
    contextLength: 64,
    parallel: 1,
    threads: 1,
    numerics: "default",
    device: null,
    experts: null,
  },
  memoryMb: 512,
  vcpus: 0.5,
  concurrency: 1,
};
const EXPERTS: FunctionSpec = {
  ...MAIN,
  name: "experts",
  program: { role: "experts", model: "tiny.gguf", threads: 1, experts: [[1, 2], []] },
};
const SHARED: FunctionSpec = { ...EXPERTS, concurrency: 2 };
const ROOMY: FunctionSpec = { ...EXPERTS, concurrency: 3 };
const CRASH: Exit = { reason: "crashed", description: "it was ended by SIGSEGV" };

function createTestPlatform({ prepares = true, ...options }: PlatformOptions & { readonly prepares?: boolean } = {}) {
  const launcher = createScriptedLauncher({ prepares });
  const time = createManualTime();
  const platform = createPlatform(launcher, { clock: time.clock, schedule: time.schedule, ...options });
  const events: string[] = [];
  platform.onEvent((event) => events.push(`${event.type} ${event.instance.id}`));
  /** The start that came as this one, counted from 0. */
  const start = (index: number): ScriptedStart => {
    const found = launcher.starts[index];
    if (found === undefined) throw new Error(`only ${launcher.starts.length} starts`);
    return found;
  };
  /** A lease of an instance that is ready at once if it must be started. */
  const lease = async (spec: FunctionSpec): Promise<Lease> => {
    const acquired = platform.acquire(spec);
    launcher.starts.at(-1)?.becomeReady();
    return await acquired;
  };
  return { platform, launcher, time, events, start, lease };
}

/** Everything that can run now has run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const states = (platform: Platform): readonly string[] => platform.list().map(({ id, state }) => `${id} ${state}`);

describe("acquire", () => {
  it("starts an instance and reports its cold start to the lease that caused it", async () => {
    const { platform, start } = createTestPlatform();
    const acquired = platform.acquire(MAIN);
    expect(states(platform)).toEqual(["main.1 starting"]);
    start(0).becomeReady();
    expect(await acquired).toMatchObject({ instanceId: "main.1", endpoint: "unix:/main.1", coldStart: COLD_START });
    expect(states(platform)).toEqual(["main.1 leased"]);
  });

  it("gives a warm instance of an equal spec, however that is written, with the time it was idle", async () => {
    const { lease, time, launcher } = createTestPlatform();
    const first = await lease(MAIN);
    first.release();
    time.advance(30_000);
    const { concurrency, ...rest } = structuredClone(MAIN);
    const second = await lease({ concurrency, ...rest });
    expect(second).toMatchObject({ instanceId: first.instanceId, coldStart: null, idleMs: 30_000 });
    expect(launcher.starts).toHaveLength(1);
  });

  it.each([
    ["memory", { ...MAIN, memoryMb: 513 }],
    ["vcpus", { ...MAIN, vcpus: 1 }],
    ["program", { ...MAIN, program: { ...MAIN.program, threads: 2 } }],
  ])("does not share an instance between specs that differ in %s", async (_, other) => {
    const { lease } = createTestPlatform();
    (await lease(MAIN)).release();
    expect((await lease(other)).instanceId).toBe("main.2");
  });

  it("prefers the most recently used instance, so that the others can expire", async () => {
    const { lease } = createTestPlatform();
    const [first, second] = [await lease(MAIN), await lease(MAIN)];
    second.release();
    first.release();
    expect((await lease(MAIN)).instanceId).toBe("main.1");
  });

  it("tells the next lease of a cold start and idle time of one that was put back", async () => {
    const { lease, time } = createTestPlatform();
    const unused = await lease(MAIN);
    time.advance(300);
    unused.putBack();
    time.advance(200);
    const next = await lease(MAIN);
    expect(next).toMatchObject({ coldStart: COLD_START, idleMs: 500 });
    time.advance(50);
    next.putBack();
    next.release();
    expect(await lease(MAIN)).toMatchObject({ coldStart: COLD_START, idleMs: 550 });
  });

  it("leases an instance to as many as its concurrency says, and idle time counts once", async () => {
    const { lease, time } = createTestPlatform();
    (await lease(SHARED)).release();
    time.advance(5);
    const leases = [await lease(SHARED), await lease(SHARED), await lease(SHARED)];
    expect(leases.map(({ instanceId, idleMs }) => [instanceId, idleMs])).toEqual([
      ["experts.1", 5],
      ["experts.1", 0],
      ["experts.2", 0],
    ]);
  });

  it("prefers the fullest instance with room, so that the others can expire", async () => {
    const { lease, platform } = createTestPlatform();
    const [first, second] = [await lease(ROOMY), await lease(ROOMY), await lease(ROOMY)];
    for (let i = 0; i < 2; i++) await lease(ROOMY);
    first.release();
    second.release();
    expect(platform.list().map(({ leases }) => leases)).toEqual([1, 2]);
    expect((await lease(ROOMY)).instanceId).toBe("experts.2");
    expect((await lease(ROOMY)).instanceId).toBe("experts.1");
  });

  it("prefers an instance that is ready to one that would be fuller but still starts", async () => {
    const { platform, start } = createTestPlatform();
    const acquired = [...Array(5)].map(() => platform.acquire(ROOMY));
    start(0).becomeReady();
    const leases = await Promise.all(acquired.slice(0, 3));
    leases[0]?.release();
    leases[1]?.release();
    expect(platform.list().map(({ state, leases: count }) => [state, count])).toEqual([
      ["leased", 1],
      ["starting", 0],
    ]);
    expect((await platform.acquire(ROOMY)).instanceId).toBe("experts.1");
  });

  it("joins a start under way that will have room; one lease reports the cold start", async () => {
    const { platform, launcher, start } = createTestPlatform();
    const acquired = [platform.acquire(SHARED), platform.acquire(SHARED), platform.acquire(SHARED)];
    expect(launcher.starts).toHaveLength(2);
    start(0).becomeReady();
    start(1).becomeReady();
    const leases = await Promise.all(acquired);
    expect(leases.map(({ instanceId, coldStart }) => [instanceId, coldStart])).toEqual([
      ["experts.1", COLD_START],
      ["experts.1", null],
      ["experts.2", COLD_START],
    ]);
  });

  it("rejects all that wait for a start with what it failed of", async () => {
    const { platform, start, events } = createTestPlatform();
    const error = remoeError("FUNCTION_OUT_OF_MEMORY", { function: "experts", limitMb: 64, peakMb: 64 });
    const exits: Exit[] = [];
    platform.onEvent((event) => event.type === "exited" && exits.push(event.exit));
    const acquired = [platform.acquire(SHARED), platform.acquire(SHARED)];
    start(0).fail(error);
    expect(await Promise.allSettled(acquired)).toEqual(acquired.map(() => ({ status: "rejected", reason: error })));
    expect(platform.list()).toEqual([]);
    expect(events).toEqual(["starting experts.1", "exited experts.1"]);
    expect(exits).toEqual([{ reason: "out-of-memory", description: error.message }]);
  });

  it("says that the start failed where the platform itself fails", async () => {
    const { platform, start } = createTestPlatform();
    const acquired = platform.acquire(MAIN);
    start(0).fail(new Error("no space left on device"));
    await expect(acquired).rejects.toMatchObject({
      code: "FUNCTION_START_FAILED",
      details: { role: "main", reason: "no space left on device" },
    });
  });

  it("names instances so that they can name files and containers", async () => {
    const { lease } = createTestPlatform();
    const name = `experts/../ä ${"x".repeat(200)}`;
    expect((await lease({ ...MAIN, name })).instanceId).toMatch(/^experts_____[_x]{28}\.1$/);
  });
});

describe("giving up", () => {
  const reason = remoeError("REQUEST_CANCELLED", {});

  it("kills a start that nobody else waits for", async () => {
    const { platform, start, events } = createTestPlatform();
    const client = new AbortController();
    const acquired = platform.acquire(MAIN, client.signal);
    client.abort(reason);
    await expect(acquired).rejects.toBe(reason);
    expect(start(0).signal.aborted).toBe(true);
    await settled();
    expect(events).toEqual(["starting main.1", "exited main.1"]);
  });

  it("leaves a start to the others that wait for it, and its cold start with them", async () => {
    const { platform, start } = createTestPlatform();
    const client = new AbortController();
    const first = platform.acquire(SHARED, client.signal);
    const second = platform.acquire(SHARED);
    client.abort(reason);
    await expect(first).rejects.toBe(reason);
    start(0).becomeReady();
    expect((await second).coldStart).toEqual(COLD_START);
  });

  it("stops an instance that became ready all the same", async () => {
    const { platform, start } = createTestPlatform();
    const client = new AbortController();
    const acquired = platform.acquire(MAIN, client.signal);
    start(0).becomeReady();
    client.abort(reason);
    await expect(acquired).rejects.toBe(reason);
    await settled();
    expect(start(0).stops).toEqual([0]);
    expect(states(platform)).toEqual(["main.1 stopping"]);
  });

  it("does not start what was given up before", async () => {
    const { platform, launcher } = createTestPlatform();
    await expect(platform.acquire(MAIN, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(launcher.starts).toEqual([]);
  });
});

describe("the end of an instance", () => {
  it("comes when it was without lease for the keep-alive time", async () => {
    const { platform, lease, time, start, events } = createTestPlatform({ keepAliveMs: 1_000 });
    (await lease(MAIN)).release();
    time.advance(999);
    (await lease(MAIN)).release();
    time.advance(999);
    expect(states(platform)).toEqual(["main.1 idle"]);
    time.advance(1);
    start(0).end();
    await settled();
    expect(platform.list()).toEqual([]);
    expect(events).toEqual([
      "starting main.1",
      "ready main.1",
      ...["leased main.1", "released main.1", "leased main.1", "released main.1"],
      ...["expired main.1", "exited main.1"],
    ]);
  });

  it("by itself takes it out of the pool at once and tells its leases", async () => {
    const { platform, lease, start } = createTestPlatform();
    const broken = await lease(MAIN);
    start(0).end(CRASH);
    expect(await broken.exited).toEqual(CRASH);
    expect(platform.list()).toEqual([]);
    broken.release();
    expect((await lease(MAIN)).instanceId).toBe("main.2");
  });

  it("comes at once when a lease discards it", async () => {
    const { platform, lease, start } = createTestPlatform();
    const broken = await lease(MAIN);
    broken.discard();
    broken.discard();
    broken.release();
    expect(start(0).stops).toEqual([0]);
    expect(states(platform)).toEqual(["main.1 stopping"]);
    expect((await lease(MAIN)).instanceId).toBe("main.2");
  });

  it("by one lease's discarding is told to all, happens once, and leads to one other instance", async () => {
    const { platform, start, launcher } = createTestPlatform();
    const acquired = [platform.acquire(SHARED), platform.acquire(SHARED)];
    start(0).becomeReady();
    const leases = await Promise.all(acquired);
    for (const lease of leases) lease.discard();
    const others = [platform.acquire(SHARED), platform.acquire(SHARED)];
    start(0).end();
    expect(await Promise.all(leases.map(({ exited }) => exited))).toEqual([STOPPED, STOPPED]);
    start(1).becomeReady();
    expect((await Promise.all(others)).map(({ instanceId }) => instanceId)).toEqual(["experts.2", "experts.2"]);
    expect(launcher.starts.map(({ stops }) => stops)).toEqual([[0], []]);
  });

  it("is hastened by a shorter deadline, and never put off", async () => {
    const { platform, lease, start } = createTestPlatform();
    const [first, second] = [await lease(SHARED), await lease(SHARED)];
    const closing = platform.close(300);
    first.discard();
    second.discard();
    start(0).end();
    await closing;
    expect(start(0).stops).toEqual([300, 0]);
  });

  it("does not come while another has a lease, which keeps nothing from being idle afterwards", async () => {
    const { platform, lease, time } = createTestPlatform({ keepAliveMs: 1_000 });
    const [first, second] = [await lease(SHARED), await lease(SHARED)];
    first.release();
    time.advance(5_000);
    expect(states(platform)).toEqual(["experts.1 leased"]);
    second.release();
    time.advance(400);
    expect((await lease(SHARED)).idleMs).toBe(400);
  });

  it("is not hastened by a lease that is given back twice", async () => {
    const { platform, lease } = createTestPlatform();
    const [first] = [await lease(SHARED), await lease(SHARED)];
    first.release();
    first.release();
    first.discard();
    expect(platform.list()).toMatchObject([{ state: "leased", leases: 1 }]);
  });
});

describe("memory that idle instances stand in the way of", () => {
  const large = (name: string): FunctionSpec => ({ ...MAIN, name, memoryMb: 1000 });

  it("is made free, least recently used first, before more is started", async () => {
    const { platform, lease } = createTestPlatform({ idleAboveMb: 3000 });
    for (const name of ["a", "b", "c"]) (await lease(large(name))).release();
    (await lease(large("a"))).release();
    const fourth = await lease(large("d"));
    expect(states(platform)).toEqual(["a.1 idle", "b.2 stopping", "c.3 idle", "d.4 leased"]);
    fourth.release();
  });

  it("is as much as leased instances need", async () => {
    const { platform, lease } = createTestPlatform({ idleAboveMb: 1500 });
    await lease(large("a"));
    await lease(large("b"));
    expect(states(platform)).toEqual(["a.1 leased", "b.2 leased"]);
  });
});

describe("a limit of instances", () => {
  it("makes place by stopping the idle instance that was used least recently", async () => {
    const { platform, lease, start } = createTestPlatform({ maxInstances: 2 });
    const [first, second] = [await lease(MAIN), await lease(MAIN)];
    second.release();
    first.release();
    const acquired = platform.acquire(EXPERTS);
    expect(states(platform)).toEqual(["main.1 idle", "main.2 stopping"]);
    start(1).end();
    await settled();
    start(2).becomeReady();
    expect((await acquired).instanceId).toBe("experts.3");
  });

  it("lets acquires wait in order of arrival for a release or an end", async () => {
    const { platform, lease, start, launcher } = createTestPlatform({ maxInstances: 1 });
    const running = await lease(MAIN);
    const waiting = [platform.acquire(EXPERTS), platform.acquire(MAIN)];
    running.release();
    expect(states(platform)).toEqual(["main.1 stopping"]);
    start(0).end();
    await settled();
    start(1).becomeReady();
    const [first, second] = waiting;
    (await first)?.discard();
    expect(launcher.starts).toHaveLength(2);
    start(1).end();
    await settled();
    start(2).becomeReady();
    expect((await second)?.instanceId).toBe("main.3");
  });

  it("hands a released instance to who waits for an equal one", async () => {
    const { platform, lease } = createTestPlatform({ maxInstances: 1 });
    const running = await lease(MAIN);
    const waiting = platform.acquire(MAIN);
    running.release();
    expect(await waiting).toMatchObject({ instanceId: "main.1", coldStart: null, idleMs: 0 });
  });

  it("forgets who gave up waiting", async () => {
    const { platform, lease } = createTestPlatform({ maxInstances: 1 });
    const running = await lease(MAIN);
    const client = new AbortController();
    const waiting = platform.acquire(EXPERTS, client.signal);
    client.abort(STOPPED);
    await expect(waiting).rejects.toBe(STOPPED);
    running.release();
    expect(states(platform)).toEqual(["main.1 idle"]);
  });
});

describe("a start that is expected", () => {
  const ordersOf = ({ launcher }: ReturnType<typeof createTestPlatform>) =>
    launcher.preparations.map(({ orders }) => orders);

  it("is prepared before anything is known of it, and is no instance yet", async () => {
    const stage = createTestPlatform({ maxInstances: 1 });
    stage.platform.expectStart();
    expect(ordersOf(stage)).toEqual([[]]);
    expect(stage.platform.list()).toEqual([]);
    expect(stage.events).toEqual([]);
    expect(await stage.lease(EXPERTS)).toMatchObject({ instanceId: "experts.1" });
  });

  it("is that of the next main function; expert functions beside it start as ever", async () => {
    const stage = createTestPlatform();
    const stopExpecting = stage.platform.expectStart();
    await stage.lease(EXPERTS);
    expect(ordersOf(stage)).toEqual([[]]);
    expect(await stage.lease(MAIN)).toMatchObject({ instanceId: "main.2", coldStart: COLD_START });
    stopExpecting();
    await stage.lease(MAIN);
    expect(ordersOf(stage)).toEqual([["launch"]]);
    expect(stage.launcher.starts).toHaveLength(3);
  });

  it("is prepared once, however many expect one, and discarded when the last of them does not any more", () => {
    const stage = createTestPlatform();
    const [first, second] = [stage.platform.expectStart(), stage.platform.expectStart()];
    first();
    first();
    expect(ordersOf(stage)).toEqual([[]]);
    second();
    expect(ordersOf(stage)).toEqual([["discard"]]);
  });

  it("is prepared anew for who expects one after it was used", async () => {
    const stage = createTestPlatform();
    const stopExpecting = stage.platform.expectStart();
    await stage.lease(MAIN);
    stage.platform.expectStart();
    stopExpecting();
    await stage.lease(MAIN);
    expect(ordersOf(stage)).toEqual([["launch"], ["launch"]]);
  });

  it("is given up like any other once it has a spec", async () => {
    const stage = createTestPlatform();
    stage.platform.expectStart();
    const client = new AbortController();
    const gone = stage.platform.acquire(MAIN, client.signal);
    client.abort(STOPPED);
    await expect(gone).rejects.toBe(STOPPED);
    expect(stage.start(0).signal.aborted).toBe(true);
  });

  it("begins when its spec is known where the launcher needs that", async () => {
    const stage = createTestPlatform({ prepares: false });
    const stopExpecting = stage.platform.expectStart();
    expect(await stage.lease(MAIN)).toMatchObject({ instanceId: "main.1" });
    stopExpecting();
  });

  it("does not come when the platform closes, which waits until nothing of it is left", async () => {
    const stage = createTestPlatform();
    const { platform, launcher } = stage;
    const stopExpecting = platform.expectStart();
    const closing = platform.close(0);
    await settled();
    expect(ordersOf(stage)).toEqual([["discard"]]);
    expect(launcher.closed).toBe(false);
    launcher.preparations[0]?.end();
    await closing;
    expect(launcher.closed).toBe(true);
    stopExpecting();
    platform.expectStart();
    expect(ordersOf(stage)).toEqual([["discard"]]);
  });

  it("keeps the platform from closing also where it was given up before", async () => {
    const { platform, launcher } = createTestPlatform();
    platform.expectStart()();
    const closing = platform.close(0);
    await settled();
    expect(launcher.closed).toBe(false);
    launcher.preparations[0]?.end();
    await closing;
  });
});

describe("close", () => {
  it("stops every instance within the deadline, then the launcher, and refuses new work", async () => {
    const { platform, lease, start, launcher } = createTestPlatform({ maxInstances: 2 });
    await lease(MAIN);
    const starting = platform.acquire(EXPERTS);
    const queued = platform.acquire(SHARED);
    const closing = platform.close(300);
    const refused = { code: "SHUTTING_DOWN", details: { retryAfterS: 1 } };
    await expect(starting).rejects.toMatchObject(refused);
    await expect(queued).rejects.toMatchObject(refused);
    await expect(platform.acquire(MAIN)).rejects.toMatchObject(refused);
    expect(start(0).stops).toEqual([300]);
    expect(launcher.closed).toBe(false);
    start(0).end();
    await closing;
    expect(launcher.closed).toBe(true);
    expect(platform.list()).toEqual([]);
  });

  it("may be called again", async () => {
    const { platform } = createTestPlatform();
    expect(platform.close(0)).toBe(platform.close(0));
    await platform.close(0);
  });
});

describe("whatever happens in whatever order", () => {
  const SPECS = { main: MAIN, shared: SHARED, roomy: { ...ROOMY, name: "roomy" } };
  type Action =
    | keyof typeof SPECS
    | "give up"
    | "ready"
    | "release"
    | "discard"
    | "crash"
    | "stopped"
    | "time passes"
    | "expect"
    | "expect none";
  /** Often enough that instances become ready, and idle. */
  const often: readonly Action[] = ["ready", "release", "release", "release", "stopped", "time passes", "time passes"];
  const seldom: readonly Action[] = ["main", "shared", "roomy", "give up", "discard", "crash", "expect", "expect none"];
  const actions = fc.array(fc.record({ action: fc.constantFrom(...often, ...seldom), pick: fc.nat() }), {
    minLength: 20,
    maxLength: 100,
    size: "max",
  });

  it("no limit is exceeded, idle time, leased time and cold starts are told once, all is answered, what is prepared is used once or discarded, and nothing is left", async () => {
    await fc.assert(fc.asyncProperty(actions, playAndCheck), { seed: 3, numRuns: 300 });
  });

  async function playAndCheck(script: readonly { readonly action: Action; readonly pick: number }[]): Promise<void> {
    const stage = createStage();
    for (const { action, pick } of script) {
      stage.play[action](pick);
      await settled();
      const instances = stage.platform.list();
      expect(stage.prepared().length).toBeLessThanOrEqual(stage.expectations.length === 0 ? 0 : 1);
      expect(instances.length).toBeLessThanOrEqual(3);
      for (const { id, name, leases } of instances) {
        expect(leases).toBe(stage.leasesOf(id));
        expect(leases).toBeLessThanOrEqual({ main: 1, experts: 2, roomy: 3 }[name] ?? 0);
      }
    }
    while (stage.unanswered() > 0) await stage.bringToAnEnd();
    expect(stage.toldIdle.map(({ told }) => told)).toEqual(stage.toldIdle.map(({ seen }) => seen));
    expect(stage.coldStarts).toHaveLength(new Set(stage.coldStarts).size);
    await stage.close();
    expect(stage.toldHeldMs()).toBeCloseTo(stage.leasedMs(), 6);
    expect(stage.platform.list()).toEqual([]);
    expect(stage.orders().filter((orders) => orders !== 1)).toEqual([]);
  }

  function createStage() {
    const { platform, launcher, time } = createTestPlatform({ maxInstances: 3, keepAliveMs: 60 });
    const held: Lease[] = [];
    const all: Lease[] = [];
    const clients = new Set<AbortController>();
    const expectations: (() => void)[] = [];
    /** Seen from outside: how long each instance has been idle since its last lease. */
    const idleMs = new Map<string, number>();
    const toldIdle: { readonly told: number; readonly seen: number }[] = [];
    const coldStarts: string[] = [];
    /** Seen from outside: how long instances were leased, all together. */
    let leasedMs = 0;
    const acquire = async (spec: FunctionSpec): Promise<void> => {
      const client = new AbortController();
      clients.add(client);
      const lease = await platform.acquire(spec, client.signal).catch(() => null);
      clients.delete(client);
      if (lease === null) return;
      held.push(lease);
      all.push(lease);
      if (lease.coldStart !== null) coldStarts.push(lease.instanceId);
      toldIdle.push({ told: lease.idleMs, seen: idleMs.get(lease.instanceId) ?? 0 });
      idleMs.delete(lease.instanceId);
    };
    const pass = (ms: number): void => {
      leasedMs += ms * platform.list().filter(({ leases }) => leases > 0).length;
      for (const { id, state } of platform.list()) if (state === "idle") idleMs.set(id, (idleMs.get(id) ?? 0) + ms);
      time.advance(ms);
    };
    const takeLease = (pick: number): Lease | undefined => held.splice(pick % Math.max(1, held.length), 1)[0];
    const recentStart = (pick: number): ScriptedStart | undefined => launcher.starts.at(-1 - (pick % 3));
    const endStopped = (): void => {
      for (const start of launcher.starts.filter(({ stops }) => stops.length > 0)) start.end();
    };
    const play: Record<Action, (pick: number) => void> = {
      main: () => void acquire(SPECS.main),
      shared: () => void acquire(SPECS.shared),
      roomy: () => void acquire(SPECS.roomy),
      "give up": (pick) => [...clients][pick % Math.max(1, clients.size)]?.abort(STOPPED),
      ready: (pick) => recentStart(pick)?.becomeReady(),
      release: (pick) => takeLease(pick)?.release(),
      discard: (pick) => takeLease(pick)?.discard(),
      crash: (pick) => recentStart(pick)?.end(CRASH),
      stopped: endStopped,
      "time passes": (pick) => pass(pick % 40),
      expect: () => void expectations.push(platform.expectStart()),
      "expect none": (pick) => expectations.splice(pick % Math.max(1, expectations.length), 1)[0]?.(),
    };
    const bringToAnEnd = async (): Promise<void> => {
      for (const lease of held.splice(0)) lease.release();
      for (const start of launcher.starts) start.becomeReady();
      endStopped();
      await settled();
    };
    const close = async (): Promise<void> => {
      const closed = platform.close(0);
      for (const each of [...launcher.starts, ...launcher.preparations]) each.end();
      await Promise.all([closed, ...all.map(({ exited }) => exited)]);
    };
    const toldHeldMs = (): number => all.reduce((sum, { heldMs }) => sum + heldMs, 0);
    const leasesOf = (id: string): number => held.filter(({ instanceId }) => instanceId === id).length;
    return {
      platform,
      play,
      expectations,
      prepared: () => launcher.preparations.filter(({ orders }) => orders.length === 0),
      orders: () => launcher.preparations.map(({ orders }) => orders.length),
      bringToAnEnd,
      close,
      leasesOf,
      toldIdle,
      coldStarts,
      toldHeldMs,
      leasedMs: () => leasedMs,
      unanswered: () => clients.size,
    };
  }
});

it("a listener that unsubscribed hears nothing more", async () => {
  const { platform, lease } = createTestPlatform();
  const heard: string[] = [];
  platform.onEvent((event) => heard.push(event.type))();
  await lease(MAIN);
  expect(heard).toEqual([]);
});
