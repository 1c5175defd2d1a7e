import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { remoeError } from "../../core/errors.ts";
import type { PlatformOptions } from "../instance-pool.ts";
import type { FunctionSpec, Lease, Limits, Platform } from "../platform.ts";
import { callStandIn } from "./call-stand-in.ts";
import { isAlive } from "./is-alive.ts";
import { createManualTime, type ManualTime } from "./manual-time.ts";
import { standInSpec } from "./stand-in-spec.ts";

export interface ConformanceOptions {
  /** What the provider says that it enforces on this machine. */
  readonly limits: Limits;
  /** What does enforce it in this test. Defaults to the same. */
  readonly enforcement?: Limits;
  /** Whether it hears what a process ended with: its code, or too much memory. Defaults to true. */
  readonly hearsEnds?: boolean;
  /** Names whatever is there that only a running platform may have: sockets, folders, groups, containers. */
  readonly leftovers: () => readonly string[] | Promise<readonly string[]>;
  /** Why the provider cannot be tried on this machine. */
  readonly skipReason?: string | null;
}

const CLOSE_MS = 5_000;
const KEEP_ALIVE_MS = 60_000;

/**
 * What every platform does, whatever starts its instances. The provider must run the stand-in program for the specs of
 * {@link standInSpec}.
 */
export function describePlatform(
  name: string,
  createPlatform: (options: PlatformOptions) => Platform | Promise<Platform>,
  { limits, enforcement = limits, hearsEnds = true, leftovers, skipReason = null }: ConformanceOptions,
): void {
  const title = skipReason === null ? name : `${name} (${skipReason})`;
  describe.skipIf(skipReason !== null)(title, () => {
    let platform: Platform;
    let time: ManualTime;
    let events: string[];
    beforeEach(async () => {
      time = createManualTime();
      platform = await createPlatform({ keepAliveMs: KEEP_ALIVE_MS, clock: time.clock, schedule: time.schedule });
      events = [];
      platform.onEvent(({ type }) => events.push(type));
    });
    afterEach(async () => {
      await platform.close(CLOSE_MS);
      expect(await leftovers()).toEqual([]);
    });

    const limited: FunctionSpec = standInSpec({ memoryMb: 160, vcpus: 0.25 });
    const held = enforcement.memory !== "none";
    const pidOf = async ({ endpoint }: Lease): Promise<unknown> => await callStandIn(endpoint, "/pid");

    describe("acquire", () => {
      it("starts a function that can be reached at its endpoint", async () => {
        const lease = await platform.acquire(standInSpec());
        expect(await pidOf(lease)).toEqual(expect.any(Number));
        expect(lease.coldStart?.totalMs).toBeGreaterThan(0);
        expect(platform.list()).toMatchObject([
          { id: lease.instanceId, state: "leased", leases: 1, endpoint: lease.endpoint, pid: lease.pid, limits },
        ]);
      });

      it("knows beforehand whether it would start something", async () => {
        const spec = standInSpec();
        expect(platform.isWarm(spec)).toBe(false);
        const starting = platform.acquire(spec);
        expect(platform.isWarm(spec)).toBe(false);
        const lease = await starting;
        expect(platform.isWarm(spec)).toBe(false);
        lease.release();
        expect(platform.isWarm({ ...spec })).toBe(true);
        lease.discard();
      });

      it("gives a warm function again, with the time it was idle", async () => {
        const first = await platform.acquire(standInSpec());
        const pid = await pidOf(first);
        first.release();
        time.advance(1_234);
        const second = await platform.acquire(standInSpec());
        expect(second).toMatchObject({ instanceId: first.instanceId, coldStart: null, idleMs: 1_234 });
        expect(await pidOf(second)).toBe(pid);
      });

      it("starts another one for another spec, and for a lease more than the concurrency", async () => {
        const shared = standInSpec({ concurrency: 2 });
        const leases = await Promise.all([shared, shared, shared, standInSpec()].map((spec) => platform.acquire(spec)));
        const [first, second, third, other] = leases.map(({ instanceId }) => instanceId);
        expect(second).toBe(first);
        expect(new Set([first, third, other]).size).toBe(3);
      });
    });

    describe("an instance that several leases share", () => {
      const acquireTwo = (): Promise<[Lease, Lease]> => {
        const spec = standInSpec({ concurrency: 2 });
        return Promise.all([platform.acquire(spec), platform.acquire(spec)]);
      };

      it("is started once, and serves each of them until it gives its lease back", async () => {
        const [first, second] = await acquireTwo();
        expect([first, second].filter(({ coldStart }) => coldStart !== null)).toHaveLength(1);
        expect(await pidOf(second)).toBe(await pidOf(first));
        first.release();
        time.advance(2 * KEEP_ALIVE_MS);
        expect(platform.list()).toMatchObject([{ state: "leased", leases: 1 }]);
        expect(await pidOf(second)).toEqual(expect.any(Number));
      });

      it("is idle from the last one on, which the first of the next ones is told", async () => {
        const [first, second] = await acquireTwo();
        first.release();
        time.advance(300);
        second.release();
        time.advance(500);
        expect((await acquireTwo()).map(({ idleMs }) => idleMs)).toEqual([500, 0]);
        expect(platform.list()).toMatchObject([{ leases: 2 }]);
      });

      it("ends for all of them when one discards it, and one other instance takes its place", async () => {
        const [first, second] = await acquireTwo();
        first.discard();
        second.discard();
        const others = await acquireTwo();
        for (const { exited } of [first, second]) expect(await exited).toMatchObject({ reason: "stopped" });
        expect(others[1].instanceId).toBe(others[0].instanceId);
        expect(others[0].instanceId).not.toBe(first.instanceId);
        expect(platform.list()).toMatchObject([{ leases: 2 }]);
      });

      it("ends for all of them when it ends by itself", async () => {
        const [first, second] = await acquireTwo();
        await expect(callStandIn(first.endpoint, "/exit?code=3")).rejects.toThrow();
        for (const { exited } of [first, second]) expect(await exited).toMatchObject({ reason: "crashed" });
        expect(platform.list()).toEqual([]);
        first.release();
        second.discard();
      });
    });

    describe("the life of an instance", () => {
      it("is told in events, and ends after the keep-alive time", async () => {
        const lease = await platform.acquire(standInSpec());
        lease.release();
        time.advance(KEEP_ALIVE_MS);
        expect(await lease.exited).toMatchObject({ reason: "stopped" });
        expect(platform.list()).toEqual([]);
        expect(events).toEqual(["starting", "ready", "leased", "released", "expired", "exited"]);
      });

      it("ends when a lease discards it", async () => {
        const lease = await platform.acquire(standInSpec());
        lease.discard();
        expect(await lease.exited).toMatchObject({ reason: "stopped" });
        expect(platform.list()).toEqual([]);
      });
    });

    describe("a start that fails", () => {
      it("throws the function's own error", async () => {
        const failWith = remoeError("MODEL_NOT_FOUND", { path: "missing.gguf" }).toJSON();
        const acquired = platform.acquire(standInSpec({ start: { failWith } }));
        await expect(acquired).rejects.toMatchObject({ code: "MODEL_NOT_FOUND", details: { path: "missing.gguf" } });
        expect(platform.list()).toEqual([]);
        expect(events).toEqual(["starting", "exited"]);
      });

      it("is given up when nobody waits for it any more", async () => {
        const client = new AbortController();
        const acquired = platform.acquire(standInSpec({ start: { hang: true } }), client.signal);
        // Long enough that there is something to end on any machine, though nothing here depends on it.
        setTimeout(() => client.abort(remoeError("REQUEST_CANCELLED", {})), 200);
        await expect(acquired).rejects.toMatchObject({ code: "REQUEST_CANCELLED" });
      });
    });

    describe("limits", () => {
      const visible = held && enforcement.memory !== "rlimit";

      it.skipIf(!visible)("of memory can be seen by the function (needs control groups)", async () => {
        const { endpoint } = await platform.acquire(limited);
        expect(await callStandIn(endpoint, "/start")).toMatchObject({ memoryMb: 160, constrainedMb: 160 });
      });

      it.skipIf(enforcement.cpu === "none")("give a share of the processor (needs control groups)", async () => {
        const { endpoint } = await platform.acquire(limited);
        const spun = (await callStandIn(endpoint, "/spin?ms=600")) as { cpuMs: number; wallMs: number };
        expect(spun.cpuMs / spun.wallMs).toBeLessThanOrEqual(0.6);
      });
    });

    const describeEnds = (): void => {
      it("is its exit code, when it exits by itself", async () => {
        const lease = await platform.acquire(standInSpec());
        await expect(callStandIn(lease.endpoint, "/exit?code=3")).rejects.toThrow();
        expect(await lease.exited).toEqual({ reason: "crashed", description: expect.stringContaining("code 3") });
        expect((await platform.acquire(standInSpec())).instanceId).not.toBe(lease.instanceId);
      });

      it("is that and its last words, when it could not start", async () => {
        const acquired = platform.acquire(standInSpec({ start: { exitWith: 7 } }));
        await expect(acquired).rejects.toMatchObject({
          code: "FUNCTION_START_FAILED",
          message: expect.stringMatching(/code 7.*I give up/),
        });
      });

      it.each([
        ["another than this gateway", 3, "version 3"],
        ["one that was not told yet", undefined, "version 1"],
      ])("is its version, when it speaks %s", async (_, protocol, message) => {
        const acquired = platform.acquire(standInSpec({ start: { protocol } }));
        await expect(acquired).rejects.toMatchObject({
          code: "FUNCTION_VERSION_UNSUPPORTED",
          message: expect.stringContaining(message),
        });
      });

      it.skipIf(!held)("is too much memory (needs a means to limit it)", async () => {
        const { endpoint, exited } = await platform.acquire(limited);
        await expect(callStandIn(endpoint, "/allocate?mb=400")).rejects.toThrow();
        expect(await exited).toEqual({ reason: "out-of-memory", description: expect.stringContaining("160 MiB") });
      });

      it.skipIf(!held)(
        "is too much memory at its start, with the numbers (needs a means to limit memory)",
        async () => {
          const acquired = platform.acquire(standInSpec({ memoryMb: 160, start: { allocateMb: 400 } }));
          await expect(acquired).rejects.toMatchObject({
            code: "FUNCTION_OUT_OF_MEMORY",
            details: { function: "experts", limitMb: 160, peakMb: expect.any(Number) },
          });
        },
      );
    };
    if (hearsEnds) describe("what a function ended with", describeEnds);

    it("close ends what runs, what idles and what starts, and then refuses", async () => {
      const leases = [await platform.acquire(standInSpec()), await platform.acquire(standInSpec())];
      leases[0]?.release();
      const starting = platform.acquire(standInSpec({ start: { hang: true } }));
      const refusal = expect(starting).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
      await platform.close(CLOSE_MS);
      await refusal;
      const pids = leases.flatMap(({ pid }) => pid ?? []);
      expect(pids.filter(isAlive)).toEqual([]);
      expect(platform.list()).toEqual([]);
      await expect(platform.acquire(standInSpec())).rejects.toMatchObject({ code: "SHUTTING_DOWN" });
    });
  });
}
