import { expect, it } from "vitest";
import { toHistoryRecord } from "./history-record.ts";

it("lays the counts of all layers one behind the other and keeps the rest", () => {
  const request = { id: "r", time: 5, domain: null, vector: Float32Array.of(0.5), tokens: [1, 2] };
  const samples = {
    prefill: { tokens: Uint32Array.of(1), experts: Uint16Array.of(0, 1) },
    decode: { tokens: Uint32Array.of(3), experts: Uint16Array.of(1, 0) },
  };
  const activations = {
    prefill: [
      [2, 0],
      [1, 1],
    ],
    decode: [
      [0, 1],
      [1, 0],
    ],
  };
  expect(toHistoryRecord(request, { activations, samples })).toEqual({
    ...request,
    prefill: Uint32Array.of(2, 0, 1, 1),
    decode: Uint32Array.of(0, 1, 1, 0),
    prefillSample: samples.prefill,
    decodeSample: samples.decode,
  });
});
