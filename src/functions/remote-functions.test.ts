import { describe, expect, it, vi } from "vitest";
import { remoeError } from "../core/errors.ts";
import { routeRows } from "../engine/routing.ts";
import type { RemoteCall } from "../engine/runtime.ts";
import type { LostEvent, RemoteFunction } from "./protocol.ts";
import { RemoteFunctions, type RemoteFunctionsOptions } from "./remote-functions.ts";
import { Replica } from "./replica.ts";
import {
  BUSY_MS,
  connectionLost,
  createScriptedConnection,
  outputOf,
  type ScriptedConnection,
  timedOut,
} from "./testing/scripted-connection.ts";

const HIDDEN = 2;
const K = 2;
const EXPERTS = 4;
/** Of one layer. */
const ALL = [Array.from({ length: EXPERTS }, (_, expert) => expert)];

interface Setting extends Partial<RemoteFunctionsOptions> {
  /** Experts of layer 0 by function, then by replica. */
  readonly holders?: Readonly<Record<string, readonly (readonly number[])[]>>;
  /** Instances that are not ready. */
  readonly starting?: readonly string[];
}

function createSetting({ holders = { f: [[0, 1, 2, 3]] }, starting = [], ...options }: Setting = {}) {
  const connections = new Map<string, ScriptedConnection>();
  const replicas = new Map<string, Replica>();
  const lost: LostEvent[] = [];
  const adopted: RemoteCall[] = [];
  const connection = (instanceId: string): ScriptedConnection => {
    const known = connections.get(instanceId) ?? createScriptedConnection(HIDDEN);
    connections.set(instanceId, known);
    return known;
  };
  const connect: RemoteFunctionsOptions["connect"] = ({ instanceId, endpoint }) => {
    if (endpoint === null) return null;
    const known = replicas.get(instanceId) ?? new Replica(instanceId, connection(instanceId), () => performance.now());
    replicas.set(instanceId, known);
    return known;
  };
  const functions: RemoteFunction[] = Object.entries(holders).map(([name, held]) => ({
    name,
    replicas: held.map((experts, index) => {
      const instanceId = `${name}${index}`;
      return { instanceId, endpoint: starting.includes(instanceId) ? null : "unix:/test", experts: [experts] };
    }),
  }));
  const remote = new RemoteFunctions({
    functions,
    rows: "f32",
    rounding: { granularityMs: 1, minimumMs: 0 },
    hidden: HIDDEN,
    connect,
    adopted: {
      compute: async (call) => {
        adopted.push(call);
        fill(call);
      },
    },
    onLost: (event) => lost.push(event),
    signal: new AbortController().signal,
    clock: () => performance.now(),
    ...options,
  });
  return { remote, connection, lost, adopted };
}

/** What every holder computes. */
function fill({ layer, inputs, rows, outputs }: RemoteCall): void {
  for (let row = 0; row < rows.count; row++) {
    for (let i = 0; i < HIDDEN; i++) {
      const input = inputs[(rows.tokens[row] as number) * HIDDEN + i] as number;
      outputs[(rows.slots[row] as number) * HIDDEN + i] = outputOf(layer, rows.experts[row] as number, input);
    }
  }
}

/** A call of layer 0: `chosen` are the gate's choices, k a token. */
function callOf(chosen: readonly number[], kernel: RemoteCall["kernel"] = "decode"): RemoteCall {
  const tokens = chosen.length / K;
  return {
    layer: 0,
    kernel,
    inputs: Float32Array.from({ length: tokens * HIDDEN }, (_, i) => i + 1),
    rows: routeRows(Int32Array.from(chosen), K, () => true),
    outputs: new Float32Array(tokens * K * HIDDEN),
    weights: Float32Array.from({ length: tokens * K }, (_, slot) => 0.25 + 0.5 * (slot % K)),
  };
}

function expectedOf(call: RemoteCall): number[] {
  const copy = { ...call, outputs: new Float32Array(call.outputs.length) };
  fill(copy);
  return [...copy.outputs];
}

describe("calls to expert functions", () => {
  it("bring every row back to its place", async () => {
    const { remote } = createSetting({ holders: { f: [[0, 1]], g: [[2, 3]] } });
    const call = callOf([3, 0, 1, 2, 0, 1], "prefill");
    await remote.compute(call);
    expect([...call.outputs]).toEqual(expectedOf(call));
  });

  it("carry the hidden states of just the tokens that go there", async () => {
    const { remote, connection } = createSetting({ holders: { f: [[0, 1]], g: [[2, 3]] } });
    await remote.compute(callOf([0, 1, 2, 3, 0, 3], "prefill"));
    expect([...(connection("f0").calls[0]?.inputs ?? [])]).toEqual([1, 2, 5, 6]);
    expect([...(connection("g0").calls[0]?.inputs ?? [])]).toEqual([3, 4, 5, 6]);
  });

  it("are one a function, whatever the number of its experts", async () => {
    const { remote, connection } = createSetting();
    await remote.compute(callOf([2, 1]));
    expect(connection("f0").calls).toHaveLength(1);
  });

  it("go in decode to as few replicas as can be", async () => {
    const { remote, connection } = createSetting({ holders: { f: [ALL[0] ?? [], ALL[0] ?? []] } });
    await remote.compute(callOf([2, 1]));
    expect([connection("f0").calls.length, connection("f1").calls.length]).toEqual([1, 0]);
  });

  it("are spread in prefill over replicas by rows, the longest first", async () => {
    const { remote, connection } = createSetting({ holders: { f: [ALL[0] ?? [], ALL[0] ?? []] } });
    // Expert 0 has 4 rows, expert 1 has 2, experts 2 and 3 have 1 each.
    const call = callOf([0, 1, 0, 1, 0, 2, 0, 3], "prefill");
    await remote.compute(call);
    const rows = ["f0", "f1"].map((instance) => connection(instance).calls[0]?.experts.length);
    expect(rows).toEqual([4, 4]);
    expect([...call.outputs]).toEqual(expectedOf(call));
  });

  it("go to the replica that holds the expert", async () => {
    const { remote, connection } = createSetting({
      holders: {
        f: [
          [0, 1],
          [2, 3],
        ],
      },
    });
    await remote.compute(callOf([3, 1]));
    expect([...(connection("f0").calls[0]?.experts ?? [])]).toEqual([1]);
    expect([...(connection("f1").calls[0]?.experts ?? [])]).toEqual([3]);
  });

  it("may bring one sum a token, which takes the place of its first row", async () => {
    const { remote } = createSetting({ rows: "summed" });
    const call = callOf([2, 1]);
    await remote.compute(call);
    const rows = expectedOf(call);
    const sum = [0, 1].map((i) => 0.25 * (rows[i] as number) + 0.75 * (rows[HIDDEN + i] as number));
    expect([...call.outputs]).toEqual([...sum, 0, 0]);
    expect([...call.weights]).toEqual([1, 0]);
  });

  it("are metered by what the functions say, each rounded on its own", async () => {
    const { remote } = createSetting({ rounding: { granularityMs: 100, minimumMs: 0 } });
    await remote.compute(callOf([2, 1]));
    await remote.compute(callOf([2, 1]));
    expect(remote.usage).toEqual([{ function: "f", invocations: 2, busyMs: 2 * BUSY_MS, billedMs: 200 }]);
  });
});

describe("when an expert function fails", () => {
  const twoReplicas = { holders: { f: [ALL[0] ?? [], ALL[0] ?? []] } };

  it("a broken connection is made anew once before the instance is given up", async () => {
    const { remote, connection, lost } = createSetting();
    connection("f0").meet(connectionLost());
    const call = callOf([2, 1]);
    const computing = remote.compute(call);
    connection("f0").meet("answer");
    await computing;
    expect([...call.outputs]).toEqual(expectedOf(call));
    expect(lost).toEqual([]);
    expect(remote.faults).toMatchObject({ failedCalls: 1, lostReplicas: 0 });
  });

  it("another replica is asked, and the gateway is told once", async () => {
    const { remote, connection, lost } = createSetting(twoReplicas);
    connection("f0").meet(timedOut());
    const calls = [callOf([2, 1]), callOf([0, 3])];
    for (const call of calls) await remote.compute(call);
    for (const call of calls) expect([...call.outputs]).toEqual(expectedOf(call));
    expect(connection("f0").calls).toHaveLength(1);
    expect(lost).toMatchObject([{ type: "lost", function: "f", index: 0, instanceId: "f0" }]);
  });

  it("a new instance is waited for", async () => {
    const { remote, connection, lost, adopted } = createSetting();
    connection("f0").meet(timedOut());
    const call = callOf([2, 1]);
    const computing = remote.compute(call);
    await vi.waitFor(() => expect(lost).toHaveLength(1));
    remote.provide("f", 0, { instanceId: "f9", endpoint: "unix:/new", experts: ALL });
    await computing;
    expect([...call.outputs]).toEqual(expectedOf(call));
    expect(connection("f9").calls).toHaveLength(1);
    expect(adopted).toEqual([]);
  });

  it("the main function takes the experts over when no instance comes, and later calls do not wait again", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      const { remote, connection, adopted } = createSetting();
      connection("f0").meet(timedOut());
      const call = callOf([2, 1]);
      const computing = remote.compute(call);
      await vi.advanceTimersByTimeAsync(1_000);
      await computing;
      expect([...call.outputs]).toEqual(expectedOf(call));
      await remote.compute(callOf([0, 1]));
      expect(adopted).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });

  it("an instance that is still starting is waited for in the same way", async () => {
    const { remote, adopted } = createSetting({ starting: ["f0"] });
    const call = callOf([2, 1]);
    const computing = remote.compute(call);
    remote.provide("f", 0, { instanceId: "f0", endpoint: "unix:/test", experts: ALL });
    await computing;
    expect([...call.outputs]).toEqual(expectedOf(call));
    expect(adopted).toEqual([]);
  });

  it("a new instance is waited for longer when the main function has no room for the experts", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      const full = remoeError("EXPERT_MEMORY_TOO_SMALL", { layer: 0, neededMb: 1, limitMb: 0 });
      const { remote, connection } = createSetting({ adopted: { compute: () => Promise.reject(full) } });
      connection("f0").meet(timedOut());
      const call = callOf([2, 1]);
      const computing = remote.compute(call);
      await vi.advanceTimersByTimeAsync(5_000);
      remote.provide("f", 0, { instanceId: "f9", endpoint: "unix:/new", experts: ALL });
      await computing;
      expect([...call.outputs]).toEqual(expectedOf(call));
    } finally {
      vi.useRealTimers();
    }
  });

  it("experts of several replicas are asked for where they are, once the replicas are there", async () => {
    const full = remoeError("EXPERT_MEMORY_TOO_SMALL", { layer: 0, neededMb: 1, limitMb: 0 });
    const { remote } = createSetting({
      holders: {
        f: [
          [0, 1],
          [2, 3],
        ],
      },
      starting: ["f0", "f1"],
      adopted: { compute: () => Promise.reject(full) },
    });
    const call = callOf([3, 1]);
    const computing = remote.compute(call);
    remote.provide("f", 0, { instanceId: "f0", endpoint: "unix:/test", experts: [[0, 1]] });
    remote.provide("f", 1, { instanceId: "f1", endpoint: "unix:/test", experts: [[2, 3]] });
    await computing;
    expect([...call.outputs]).toEqual(expectedOf(call));
  });

  it("and nobody can compute the rows in the end, the request fails by name", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      const full = remoeError("EXPERT_MEMORY_TOO_SMALL", { layer: 0, neededMb: 1, limitMb: 0 });
      const { remote, connection } = createSetting({ adopted: { compute: () => Promise.reject(full) } });
      connection("f0").meet(timedOut());
      const failing = expect(remote.compute(callOf([2, 1]))).rejects.toMatchObject({ code: "EXPERTS_UNAVAILABLE" });
      await vi.advanceTimersByTimeAsync(60_000);
      await failing;
    } finally {
      vi.useRealTimers();
    }
  });

  it("a slow replica is overtaken by another, and its call given up", async () => {
    const { remote, connection } = createSetting(twoReplicas);
    connection("f0").meet("silence");
    const call = callOf([2, 1]);
    await remote.compute(call);
    expect([...call.outputs]).toEqual(expectedOf(call));
    expect(remote.faults).toMatchObject({ hedgedCalls: 1, lostReplicas: 0 });
    expect(connection("f0").cancelled).toBe(1);
  });

  it("a request that is cancelled stops waiting", async () => {
    const leaving = new AbortController();
    const { remote, connection } = createSetting({ signal: leaving.signal });
    connection("f0").meet(timedOut());
    const computing = expect(remote.compute(callOf([2, 1]))).rejects.toMatchObject({ code: "REQUEST_CANCELLED" });
    await Promise.resolve();
    leaving.abort(remoeError("REQUEST_CANCELLED", {}));
    await computing;
  });
});
