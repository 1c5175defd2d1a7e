import fc from "fast-check";
import { expect, it } from "vitest";
import type { RoutingSample } from "../engine/generation.ts";
import { decodeEvent, encodeEvent } from "./event-line.ts";
import type { DoneEvent, GenerateEvent } from "./protocol.ts";
import { NO_SAMPLES } from "./testing/no-samples.ts";

const DONE: DoneEvent = {
  type: "done",
  finishReason: "stop",
  completionTokens: 2,
  timings: { prefillMs: 1, decodeMs: 2, queueMs: 3, busyMs: 4 },
  experts: { localRows: 1, remoteRows: 2, remoteCalls: 3 },
  activations: { prefill: [[1, 2]], decode: [[3, 4]] },
  samples: NO_SAMPLES,
  remote: [],
  faults: { failedCalls: 0, hedgedCalls: 0, lostReplicas: 0, adoptedExperts: 0 },
  peakMemoryMb: 5,
};

const sample: fc.Arbitrary<RoutingSample> = fc.record({ tokens: fc.uint32Array(), experts: fc.uint16Array() });

it("samples of any content and length come back as they went (200 cases)", () => {
  const property = fc.property(sample, sample, (prefill, decode) => {
    const event = { ...DONE, samples: { prefill, decode } };
    expect(decodeEvent(encodeEvent(event))).toEqual(event);
  });
  fc.assert(property, { seed: 4, numRuns: 200 });
});

it("a part of a larger array travels without the rest", () => {
  const tokens = Uint32Array.of(1, 2, 3, 4).subarray(1, 3);
  const event = { ...DONE, samples: { ...NO_SAMPLES, prefill: { tokens, experts: Uint16Array.of(7) } } };
  const back = decodeEvent(encodeEvent(event)) as DoneEvent;
  expect(back.samples.prefill).toEqual({ tokens: Uint32Array.of(2, 3), experts: Uint16Array.of(7) });
});

it.each<GenerateEvent>([
  { type: "token", token: 3, logprob: -0.5, top: [{ token: 3, logprob: -0.5 }], atMs: 12.5 },
  { type: "lost", function: "experts-0", index: 1, instanceId: "i", reason: "it crashed" },
  { type: "error", error: { code: "PROMPT_EMPTY", message: "m", hint: "h", details: {} } },
])("$type events are plain JSON of one line", (event) => {
  expect(encodeEvent(event)).toBe(JSON.stringify(event));
  expect(decodeEvent(encodeEvent(event))).toEqual(event);
});
