import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { shapeOf } from "./call-codec.ts";
import { PendingCall } from "./pending-call.ts";
import { callOf } from "./testing/arbitrary-call.ts";

const call = callOf([1, 2, 3, 4], [[0, 1]]);
const reply = { rows: Float32Array.of(1, 2, 3, 4), busyMs: 1 };

function createPending(abort = new AbortController()) {
  const events: string[] = [];
  const hooks = {
    endpoint: "unix:/e",
    pollMs: 0,
    giveUp: (reason: string) => events.push(reason),
    settled: () => events.push("settled"),
  };
  const options = { deadlineMs: 100, signal: abort.signal };
  const pending = new PendingCall({ call, shape: shapeOf(call, 4, "f32"), options }, hooks);
  return { pending, events, abort };
}

describe("PendingCall", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("settles once, with what comes first", async () => {
    const { pending, events, abort } = createPending();
    pending.answer(reply);
    pending.reject(new Error("too late"));
    abort.abort();
    expect(await pending.promise).toBe(reply);
    expect(events).toEqual(["settled"]);
  });

  it("rejects with the function's own error", async () => {
    const { pending } = createPending();
    pending.answer(new Error("no such expert"));
    await expect(pending.promise).rejects.toThrow("no such expert");
  });

  it("times out at its deadline", async () => {
    const { pending, events } = createPending();
    const rejected = expect(pending.promise).rejects.toMatchObject({
      code: "EXPERT_CALL_TIMEOUT",
      details: { deadlineMs: 100 },
    });
    vi.advanceTimersByTime(99);
    expect(events).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(events).toEqual(["settled", "timeout"]);
    await rejected;
  });

  it("rejects with the reason of its signal", async () => {
    const { pending, events, abort } = createPending();
    const rejected = expect(pending.promise).rejects.toThrow("enough");
    abort.abort(new Error("enough"));
    expect(events).toEqual(["settled", "aborted"]);
    await rejected;
  });

  it.each<[string, (made: ReturnType<typeof createPending>) => void]>([
    ["an answer", ({ pending }) => pending.answer(reply)],
    ["an error", ({ pending }) => pending.reject(new Error("lost"))],
    ["its deadline", () => vi.advanceTimersByTime(100)],
    ["an abort", ({ abort }) => abort.abort(new Error("enough"))],
  ])("leaves no timer and no listener behind after %s", async (_name, end) => {
    const made = createPending();
    end(made);
    await made.pending.promise.catch(() => {});
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(made.abort.signal, "abort")).toHaveLength(0);
  });
});
