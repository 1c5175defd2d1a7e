import { describe, expect, it } from "vitest";
import { encodeCall, shapeOf } from "./call-codec.ts";
import type { ExpertCall, ExpertHandler, ExpertReply } from "./expert-call.ts";
import { ExpertService } from "./expert-service.ts";
import { encodeFrame, type Frame, type FrameBytes } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { decodeAnswer } from "./reply-codec.ts";
import { callOf } from "./testing/arbitrary-call.ts";
import { createFakeHandler } from "./testing/fake-handler.ts";

const call = callOf([1, 2, 3, 4], [[0, 1]]);

function toFrame(frame: FrameBytes): Frame {
  const frames: Frame[] = [];
  new FrameReader(1 << 20, (read) => frames.push(read)).push(Buffer.concat(frame), "given");
  const [first] = frames;
  if (first === undefined) throw new Error("no whole frame");
  return first;
}

function callFrame(sent: ExpertCall, timeMs: number, hidden = 4): Frame {
  const shape = shapeOf(sent, hidden, "f32");
  const head = { type: "call", id: 1, rowType: "f32", checksum: false, timeMs } as const;
  return toFrame(encodeFrame(head, encodeCall(sent, shape)));
}

/** A service whose handler waits for `open`, with a clock that the test moves. */
function createService(over: Partial<ExpertHandler> = {}, payloadLimit = 1 << 20) {
  const time = { now: 0 };
  const gates: (() => void)[] = [];
  const gate = (): Promise<void> => new Promise((resolve) => gates.push(resolve));
  const handler = createFakeHandler({ gate });
  const clock = { monotonicMs: () => time.now, unixMs: () => 0 };
  const service = new ExpertService(
    { ...handler, ...over },
    { endpoint: "unix:/e", checksum: false, pollMs: 0, payloadLimit, clock },
  );

  function submit(sent = call, timeMs = 1000, hidden = 4) {
    let cancel = (): void => {};
    const settled = new Promise<ExpertReply | Error | null>((resolve) => {
      cancel = service.submit(callFrame(sent, timeMs, hidden), (answer) =>
        resolve(answer && decodeAnswer(toFrame(answer), shapeOf(sent, hidden, "f32"), false)),
      );
    });
    return { settled, cancel: () => cancel() };
  }

  /** Lets the call that is computed end. */
  async function open(): Promise<void> {
    while (gates.length === 0) await new Promise(setImmediate);
    gates.shift()?.();
  }
  return { service, handler, time, submit, open };
}

describe("ExpertService", () => {
  it("computes calls one after the other, in order of arrival", async () => {
    const { handler, submit, open } = createService();
    const replies = [0, 1, 2].map((expert) => submit(callOf([1, 2, 3, 4], [[0, expert]])));
    for (const { settled } of replies) {
      await open();
      await settled;
    }
    expect(handler.computed.map(({ experts }) => experts[0])).toEqual([0, 1, 2]);
  });

  it("measures how long it was busy with a call, not how long the call waited", async () => {
    const { time, submit, open } = createService();
    const first = submit();
    const second = submit();
    time.now = 5.125;
    await open();
    expect(await first.settled).toMatchObject({ busyMs: 0 });
    const gate = open();
    time.now = 20;
    await gate;
    expect(await second.settled).toMatchObject({ rows: Float32Array.of(3, 5, 7, 9) });
  });

  it("drops a call that is cancelled while it waits", async () => {
    const { handler, submit, open, service } = createService();
    const first = submit();
    const second = submit(callOf([1, 2, 3, 4], [[0, 2]]));
    second.cancel();
    await open();
    await first.settled;
    await service.drain();
    expect(handler.computed).toHaveLength(1);
  });

  it("drops a call whose deadline passed while it waited, and says so", async () => {
    const { handler, time, submit, open } = createService();
    const first = submit(call, 1000);
    const second = submit(call, 10);
    time.now = 11;
    await open();
    await first.settled;
    expect(await second.settled).toBeNull();
    expect(handler.computed).toHaveLength(1);
  });

  it("answers nothing to a call that is cancelled while it is computed", async () => {
    const { handler, submit, open, service } = createService();
    let answered = false;
    const first = submit();
    void first.settled.then(() => {
      answered = true;
    });
    await open();
    first.cancel();
    await service.drain();
    expect(handler.computed).toHaveLength(1);
    expect(answered).toBe(false);
  });

  it("finishes what came before it drains, and refuses what comes then", async () => {
    const { service, submit, open } = createService();
    const first = submit();
    const drained = service.drain();
    const late = submit();
    expect(await late.settled).toMatchObject({ code: "EXPERT_CONNECTION_LOST" });
    await open();
    expect(await first.settled).toMatchObject({ rows: Float32Array.of(3, 5, 7, 9) });
    await drained;
  });

  it("goes on after a handler has failed", async () => {
    const failing = createService({ compute: () => Promise.reject(new Error("no memory")) });
    expect(await failing.submit().settled).toMatchObject({ code: "FUNCTION_FAILED", message: /no memory/ });
    expect(await failing.submit().settled).toMatchObject({ code: "FUNCTION_FAILED" });
  });

  it("does not send on what a handler has not computed", async () => {
    const wrong = createService({ compute: () => Promise.resolve(new Float32Array(3)) });
    expect(await wrong.submit().settled).toMatchObject({ message: /computed 3 numbers instead of 4/ });
  });

  it("sums pre-summed rows by token", async () => {
    const { submit, open } = createService();
    const reply = submit({
      ...callOf(
        [1, 2, 3, 4, 5, 6, 7, 8],
        [
          [1, 0],
          [1, 1],
        ],
      ),
      weights: Float32Array.of(0.5, 2),
    });
    await open();
    expect(await reply.settled).toMatchObject({ rows: Float32Array.of(0, 0, 0, 0, 25, 29.5, 34, 38.5) });
  });

  it.each([
    ["an expert it does not hold", callOf([1, 2, 3, 4], [[0, 8]]), "expert 8 of layer 1 is not held here"],
    ["a negative expert", callOf([1, 2, 3, 4], [[0, -1]]), "expert -1 of layer 1 is not held here"],
    ["another layer", { ...call, layer: 4 }, "expert 1 of layer 4 is not held here"],
    ["a token it has not", callOf([1, 2, 3, 4], [[1, 0]]), "a row names token 1 of 1"],
    ["a negative token", callOf([1, 2, 3, 4], [[-1, 0]]), "a row names token -1 of 1"],
    [
      "more rows than a gate makes",
      callOf(
        [1, 2, 3, 4],
        [
          [0, 0],
          [0, 1],
          [0, 2],
        ],
      ),
      "it has 3 rows for 1 tokens",
    ],
    ["too many tokens", callOf(new Array(513 * 4).fill(0), []), "it has 513 tokens, the limit is 512"],
  ])("refuses a call for %s", async (_name, sent, problem) => {
    const { submit, handler } = createService();
    expect(await submit(sent).settled).toMatchObject({
      code: "EXPERT_CALL_INVALID",
      details: { problem: expect.stringContaining(problem) },
    });
    expect(handler.computed).toHaveLength(0);
  });

  it("refuses a call of another width", async () => {
    const { submit } = createService();
    const problem = "its hidden states have 2 numbers, here they have 4";
    expect(await submit(callOf([1, 2], [[0, 0]]), 1000, 2).settled).toMatchObject({ details: { problem } });
  });

  it("refuses a call whose reply is over the limit before it computes it", async () => {
    const { submit } = createService({}, 60);
    expect(
      await submit(
        callOf(
          [1, 2, 3, 4],
          [
            [0, 0],
            [0, 1],
          ],
        ),
      ).settled,
    ).toMatchObject({
      code: "EXPERT_PAYLOAD_TOO_LARGE",
      details: { bytes: 72, limitBytes: 60 },
    });
  });
});
