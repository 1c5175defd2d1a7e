import { describe, expect, it } from "vitest";
import type { DoneEvent } from "../functions/protocol.ts";
import type { RequestTrace } from "./trace.ts";
import { TraceRecorder } from "./trace-recorder.ts";

const coldStart = { processMs: 1, librariesMs: 2, weightsMs: 3, totalMs: 6 };

const done: DoneEvent = {
  type: "done",
  finishReason: "length",
  completionTokens: 3,
  timings: { queueMs: 2, prefillMs: 11, decodeMs: 13 },
  experts: { localRows: 4, remoteRows: 5, remoteCalls: 6 },
  activations: { prefill: [[1]], decode: [[2]] },
};

/** A recorder whose clock stands at the time of the next step. */
function createTimedRecorder() {
  const traces: RequestTrace[] = [];
  let now = 100;
  const recorder = new TraceRecorder({
    requestId: "r",
    model: "m",
    clock: () => now,
    onTrace: (trace) => traces.push(trace),
  });
  const at = (time: number) => {
    now = time;
    return recorder;
  };
  return { at, traces };
}

describe("a request's trace", () => {
  it("attributes every span of a completed request", () => {
    const { at, traces } = createTimedRecorder();
    at(105).accepted(7);
    at(125).admitted();
    at(165).started(coldStart);
    at(180).token();
    at(190).token();
    at(204).token();
    at(205).done(done);
    at(206).end("length");
    expect(traces).toEqual([
      {
        requestId: "r",
        model: "m",
        promptTokens: 7,
        completionTokens: 3,
        finishReason: "length",
        errorCode: null,
        timings: {
          queueMs: 22, // 20 in the gateway, 2 in the main function
          predictMs: 0,
          planMs: 0,
          coldStartMs: 40,
          prefillMs: 11,
          decodeMs: 13,
          ttftMs: 80,
          tpotMs: 12,
          totalMs: 106,
        },
        coldStart,
        experts: done.experts,
        activations: done.activations,
      },
    ]);
  });

  it("falls back on what the gateway saw when the generation was cut short", () => {
    const { at } = createTimedRecorder();
    at(100).accepted(7);
    at(100).admitted();
    at(100).started(null);
    at(150).token();
    at(170).token();
    const { timings, experts, activations } = at(200).end("stop");
    expect(timings).toMatchObject({ prefillMs: 50, decodeMs: 20, tpotMs: 20, totalMs: 100 });
    expect([experts, activations]).toEqual([null, null]);
  });

  it("counts an unfinished step until the end and no step that never began", () => {
    const { at } = createTimedRecorder();
    at(110).accepted(7);
    expect(at(140).end("cancelled").timings).toEqual({
      queueMs: 30,
      predictMs: 0,
      planMs: 0,
      coldStartMs: 0,
      prefillMs: 0,
      decodeMs: 0,
      ttftMs: null,
      tpotMs: null,
      totalMs: 40,
    });
  });

  it("ends once", () => {
    const { at, traces } = createTimedRecorder();
    const first = at(120).end("error", "FUNCTION_LOST");
    const second = at(150).end("cancelled");
    expect(second).toBe(first);
    expect(traces).toEqual([first]);
    expect(first).toMatchObject({ finishReason: "error", errorCode: "FUNCTION_LOST" });
  });
});
