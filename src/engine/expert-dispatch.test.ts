import { describe, expect, it } from "vitest";
import { dispatchExperts } from "./expert-dispatch.ts";
import type { RemoteCall, Runtime } from "./runtime.ts";

const HIDDEN = 4;
/** Of one layer with experts 0 to 3, of which 0 and 1 are here. */
const runtime = {
  hyper: { hidden: HIDDEN, expertsPerToken: 2 },
  bank: { layers: [{ slotOf: Int32Array.of(0, 1, -1, -1) }] },
} as unknown as Pick<Runtime, "bank" | "hyper">;

function workFor(...chosen: number[]) {
  const room = 8;
  return {
    layer: 0,
    kernel: "decode",
    chosen: Int32Array.from(chosen),
    inputs: new Float32Array(HIDDEN * room),
    weights: new Float32Array(2 * room),
    outputs: new Float32Array(HIDDEN * 2 * room),
  } as const;
}

/** Notes what happens, in order. */
function record() {
  const events: string[] = [];
  const calls: RemoteCall[] = [];
  const done = deferred();
  const remote = {
    compute: async (call: RemoteCall) => {
      events.push("rows leave");
      calls.push(call);
      await done.promise;
    },
  };
  return { events, calls, done, remote, local: () => void events.push("local rows") };
}

describe("experts are dispatched", () => {
  it("without a call when all are here, and at once", () => {
    const { events, remote, local } = record();
    expect(dispatchExperts(runtime, workFor(1, 0), { remote, local })).toBeUndefined();
    expect(events).toEqual(["local rows"]);
  });

  it("with the rows for elsewhere leaving first, and waits for them", async () => {
    const { events, done, remote, local } = record();
    const dispatched = Promise.resolve(dispatchExperts(runtime, workFor(0, 3), { remote, local }));
    const ended = dispatched.then(() => events.push("joined"));
    expect(events).toEqual(["rows leave", "local rows"]);
    done.resolve();
    await ended;
    expect(events).toEqual(["rows leave", "local rows", "joined"]);
  });

  it("as a call that brings the rows of missing experts, cut to the tokens there are", async () => {
    const { calls, done, remote, local } = record();
    done.resolve();
    const work = workFor(0, 3, 1, 0, 3, 2);
    await dispatchExperts(runtime, work, { remote, local });
    const [call] = calls;
    expect(call?.rows).toEqual({
      count: 3,
      tokens: Int32Array.of(2, 0, 2),
      experts: Int32Array.of(2, 3, 3),
      slots: Int32Array.of(5, 1, 4),
    });
    expect([call?.inputs.length, call?.weights.length, call?.outputs.length]).toEqual([3 * HIDDEN, 6, 6 * HIDDEN]);
    expect(call?.weights.buffer).toBe(work.weights.buffer);
  });

  it("and a failure elsewhere is thrown when the local rows are done, not before", async () => {
    const { events, done, remote } = record();
    const lost = new Error("lost");
    done.reject(lost);
    const computed = deferred();
    const dispatched = dispatchExperts(runtime, workFor(2, 0), { remote, local: () => computed.promise });
    const outcome = Promise.resolve(dispatched).catch((error: unknown) => events.push(`thrown: ${error}`));
    // Everything that could happen before the local rows are done.
    await new Promise(setImmediate);
    expect(events).toEqual(["rows leave"]);
    computed.resolve();
    await outcome;
    expect(events).toEqual(["rows leave", "thrown: Error: lost"]);
  });

  it("not at all when nobody computes what is missing", () => {
    const { local } = record();
    expect(() => dispatchExperts(runtime, workFor(2, 0), { local })).toThrow(
      "layer 0 routed to an expert that is not in this function, and no other holds it",
    );
  });
});

/** A promise that the test settles. */
function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let settle = {} as { resolve: () => void; reject: (error: Error) => void };
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}
