import { describe, expect, it } from "vitest";
import type { DoneEvent } from "../functions/protocol.ts";
import { NO_SAMPLES } from "../functions/testing/no-samples.ts";
import { billRequest } from "../ledger/bill.ts";
import { functionUsage } from "../ledger/testing/function-usage.ts";
import type { AcquiredFunctions } from "./acquired-functions.ts";
import type { PlanReasons } from "./plan-choice.ts";
import { testPlan, testPriceBook } from "./testing/create-test-gateway.ts";
import type { RequestTrace } from "./trace.ts";
import { TraceRecorder } from "./trace-recorder.ts";

const coldStart = { processMs: 1, librariesMs: 2, weightsMs: 3, totalMs: 6 };

const done: DoneEvent = {
  type: "done",
  finishReason: "length",
  completionTokens: 3,
  timings: { queueMs: 2, prefillMs: 11, decodeMs: 13, busyMs: 25 },
  experts: { localRows: 4, remoteRows: 5, remoteCalls: 6 },
  activations: { prefill: [[1]], decode: [[2]] },
  samples: NO_SAMPLES,
  remote: [],
  faults: { failedCalls: 1, hedgedCalls: 2, lostReplicas: 3, adoptedExperts: 4 },
  peakMemoryMb: 70,
};

const usage = [functionUsage({ invocations: 1, busyMs: 25, billedMs: 25, coldStartMs: 6 })];

/** Functions that tell what they are and did. */
function functionsWith(told: Partial<AcquiredFunctions> = {}): AcquiredFunctions {
  return {
    coldStart,
    mainRestarts: 0,
    async *generate() {},
    finish() {},
    usage: () => usage,
    release() {},
    putBack() {},
    ...told,
  };
}

const reasons: PlanReasons = {
  source: "new",
  predicted: { ttftMs: 80, tpotMs: 12, prefillMs: 11, coldStartMs: 35, cost: 1 },
  feasible: true,
  violations: [],
  candidates: [],
};

/** A recorder whose clock stands at the time of the next step. */
function createTimedRecorder() {
  const traces: RequestTrace[] = [];
  let now = 100;
  const recorder = new TraceRecorder({
    requestId: "r",
    model: "m",
    priceBook: testPriceBook,
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
    at(128).predicted();
    at(130).planned({ plan: testPlan, reasons });
    at(165).started(functionsWith({ mainRestarts: 1 }));
    at(180).token(11);
    at(190).token(20);
    at(204).token(30);
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
          predictMs: 3,
          planMs: 2,
          coldStartMs: 35,
          prefillMs: 11,
          decodeMs: 13,
          ttftMs: 80,
          tpotMs: 12,
          totalMs: 106,
        },
        coldStart,
        experts: done.experts,
        activations: done.activations,
        prediction: null,
        plan: testPlan,
        planning: reasons,
        faults: { failedCalls: 1, hedgedCalls: 2, lostReplicas: 3, adoptedExperts: 4, mainRestarts: 1 },
        peakMemoryMb: 70,
        bill: billRequest(usage, testPriceBook),
      },
    ]);
  });

  it("falls back on what the gateway saw when the generation was cut short", () => {
    const { at } = createTimedRecorder();
    at(100).accepted(7);
    at(100).admitted();
    at(100).planned({ plan: testPlan, reasons: null });
    at(100).started(functionsWith({ coldStart: null }));
    at(150).token(45);
    at(170).token(60);
    const { timings, experts, activations, faults, peakMemoryMb, bill } = at(200).end("stop");
    expect(timings).toMatchObject({ prefillMs: 50, decodeMs: 20, tpotMs: 20, totalMs: 100 });
    expect([experts, activations, peakMemoryMb]).toEqual([null, null, null]);
    expect(faults).toEqual({ failedCalls: 0, hedgedCalls: 0, lostReplicas: 0, adoptedExperts: 0, mainRestarts: 0 });
    expect(bill).toEqual(billRequest(usage, testPriceBook));
  });

  describe("time between tokens", () => {
    /** @param tokens when each came, and when its main function had made it */
    function tpotOf(tokens: readonly (readonly [arrived: number, atMs: number])[]): number | null {
      const { at } = createTimedRecorder();
      for (const [arrived, atMs] of tokens) at(arrived).token(atMs);
      return at(500).end("length").timings.tpotMs;
    }

    it("is that of their making when they arrive together", () => {
      const arrived = 130;
      expect(
        tpotOf([
          [arrived, 20],
          [arrived, 24],
          [arrived + 1, 28],
        ]),
      ).toBe(4);
    });

    it("is that of their arrival when they are held up", () => {
      expect(
        tpotOf([
          [130, 20],
          [134, 24],
          [160, 28],
        ]),
      ).toBe(15);
    });

    it("goes on by arrival over a main function's loss, whose successor counts from its own beginning", () => {
      expect(
        tpotOf([
          [130, 20],
          [134, 24],
          [190, 9],
        ]),
      ).toBe(30);
    });

    it("needs two of them", () => {
      expect(tpotOf([])).toBeNull();
      expect(tpotOf([[130, 20]])).toBeNull();
    });
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

  it("costs nothing before there are functions", () => {
    const { at } = createTimedRecorder();
    expect(at(140).end("cancelled").bill).toMatchObject({ total: 0, items: [] });
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
