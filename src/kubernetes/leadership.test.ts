import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { remoeError } from "../core/errors.ts";
import type { Lease } from "./kinds.ts";
import { type Leadership, runForLeadership } from "./leadership.ts";

/** One Lease object with optimistic locking, and a clock that moves when a test says so. */
function createElection() {
  let lease: Lease | null = null;
  let version = 0;
  let now = 0;
  const cutOff = new Set<string>();
  const waiting = new Set<{ readonly of: string; readonly at: number; readonly resolve: () => void }>();
  const store = (object: Lease): Lease => {
    version++;
    lease = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    return lease;
  };
  const answer = async <T>(to: string, act: () => T): Promise<T> => {
    if (cutOff.has(to)) throw remoeError("KUBERNETES_UNREACHABLE", { server: "test", reason: "cut off" });
    return act();
  };
  const conflict = (): never => {
    throw new Error("409 Conflict");
  };
  const clusterOf = (identity: string) => ({
    read: () => answer(identity, () => lease),
    create: (object: object) => answer(identity, () => (lease === null ? store(object as Lease) : conflict())),
    apply: (object: object) =>
      answer(identity, () => {
        const asked = (object as Lease).metadata?.resourceVersion;
        return asked === lease?.metadata?.resourceVersion ? store(object as Lease) : conflict();
      }),
  });
  const wait = (of: string, ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const leave = (): void => reject(signal.reason);
      if (signal.aborted) return leave();
      signal.addEventListener("abort", leave);
      const goOn = (): void => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      waiting.add({ of, at: now + ms, resolve: goOn });
    });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  return {
    run: (identity: string): Leadership =>
      runForLeadership({
        cluster: clusterOf(identity) as unknown as Parameters<typeof runForLeadership>[0]["cluster"],
        lease: "remoe-history",
        identity,
        labels: {},
        clock: () => now,
        now: () => now,
        wait: (ms, signal) => wait(identity, ms, signal),
      }),
    /** It never has another turn. */
    kill(identity: string): void {
      for (const each of waiting) if (each.of === identity) waiting.delete(each);
    },
    async pass(ms: number): Promise<void> {
      for (const end = now + ms; now < end; ) {
        await settle();
        now = Math.min(end, now + 500);
        for (const each of [...waiting].filter(({ at }) => at <= now)) {
          waiting.delete(each);
          each.resolve();
        }
        await settle();
      }
    },
    settle,
    /** From the API. */
    cutOff: (identity: string) => void cutOff.add(identity),
    reconnect: (identity: string) => void cutOff.delete(identity),
    get lease() {
      return lease;
    },
  };
}

const leaders = (candidates: readonly Leadership[]): boolean[] => candidates.map(({ isLeader }) => isLeader);

describe("leadership", () => {
  it("is the first candidate's, and stays there while it is heard of", async () => {
    const election = createElection();
    const first = election.run("a");
    await election.settle();
    const second = election.run("b");
    await election.pass(120_000);
    expect(leaders([first, second])).toEqual([true, false]);
    expect(election.lease?.spec).toMatchObject({ holderIdentity: "a", leaseDurationSeconds: 15, leaseTransitions: 1 });
    expect(election.lease?.spec?.renewTime).toMatch(/^1970-01-01T00:0\d:\d\d\.\d{6}Z$/);
  });

  it("goes to another at the next turn when it is resigned", async () => {
    const election = createElection();
    const first = election.run("a");
    await election.settle();
    const second = election.run("b");
    await election.pass(4_000);
    await first.resign();
    expect(leaders([first, second])).toEqual([false, false]);
    await election.pass(2_500);
    expect(leaders([first, second])).toEqual([false, true]);
    expect(election.lease?.spec).toMatchObject({ holderIdentity: "b", leaseTransitions: 2 });
  });

  it("ends by itself before another one may take it, when the API cannot be reached", async () => {
    const election = createElection();
    const first = election.run("a");
    await election.pass(4_000);
    const heard: boolean[] = [];
    first.onChange((isLeader) => heard.push(isLeader));
    election.cutOff("a");
    await election.pass(9_000);
    expect(heard).toEqual([]);
    await election.pass(4_000);
    expect(heard).toEqual([false]);
    election.reconnect("a");
    await election.pass(4_000);
    expect(heard).toEqual([false, true]);
  });

  it("is taken over from one that was killed, after the lease's time and not before", async () => {
    const election = createElection();
    election.run("a");
    await election.settle();
    election.kill("a");
    const successor = election.run("b");
    await election.pass(14_500);
    expect(successor.isLeader).toBe(false);
    await election.pass(4_000);
    expect(successor.isLeader).toBe(true);
  });

  it("belongs at once to one that comes back under its name", async () => {
    const election = createElection();
    election.run("a");
    await election.settle();
    election.kill("a");
    const again = election.run("a");
    await election.settle();
    expect(again.isLeader).toBe(true);
    expect(election.lease?.spec?.leaseTransitions).toBe(1);
  });

  it("is never two candidates' at a time", async () => {
    type Election = ReturnType<typeof createElection>;
    type Candidates = Leadership[];
    const actions: Readonly<Record<string, (election: Election, candidates: Candidates, pick: number) => unknown>> = {
      start: (election, candidates) => candidates.push(election.run(String(candidates.length))),
      resign: (_, candidates, pick) => candidates[pick % candidates.length]?.resign(),
      "cut off": (election, candidates, pick) => election.cutOff(String(pick % candidates.length)),
      reconnect: (election, candidates, pick) => election.reconnect(String(pick % candidates.length)),
      pass: (election, _, pick) => election.pass(pick),
    };
    const step = fc.record({ action: fc.constantFrom(...Object.keys(actions), "pass"), pick: fc.nat(20_000) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (script) => {
        const election = createElection();
        const candidates = [election.run("0")];
        for (const { action, pick } of script) {
          await actions[action]?.(election, candidates, pick);
          await election.settle();
          expect(leaders(candidates).filter(Boolean).length).toBeLessThanOrEqual(1);
        }
      }),
      { seed: 9, numRuns: 100 },
    );
  });
});
