import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HistoryIdentity } from "./identity.ts";
import { type HistoryRecord, withoutTokens } from "./record.ts";
import { decodeRecord, encodeRecord } from "./record-codec.ts";
import { arbitraryRecord, someRecords, TINY, WIDE } from "./testing/arbitrary-record.ts";

const refuse = (problem: string): Error => new Error(problem);

describe("a record", () => {
  it.each([
    ["one-byte", TINY],
    ["two-byte", WIDE],
  ])("with %s expert ids is the same after encoding and decoding", (_, identity) => {
    const same = fc.property(arbitraryRecord(identity), (record) => {
      expect(decodeRecord(encodeRecord(record, identity), identity, refuse)).toEqual(record);
    });
    fc.assert(same, { seed: 1, numRuns: 500 });
  });

  it("cut anywhere or with a byte more is refused", () => {
    for (const record of someRecords(5)) {
      const payload = encodeRecord(record, TINY);
      for (let length = 0; length < payload.length; length++) {
        expect(() => decodeRecord(payload.subarray(0, length), TINY, refuse)).toThrow(/^has \d+ bytes and needs/);
      }
      const longer = Buffer.concat([payload, Buffer.from([0])]);
      expect(() => decodeRecord(longer, TINY, refuse)).toThrow("has 1 bytes too many");
    }
  });

  it("of random bytes is decoded within the rules of the model or refused", () => {
    const start = encodeRecord(someRecords(1)[0] as HistoryRecord, TINY).subarray(0, 10);
    const guarded = fc.property(fc.uint8Array({ maxLength: 120 }), (noise) => {
      try {
        const record = decodeRecord(Buffer.concat([start, noise]), TINY, refuse);
        expect(Math.max(0, ...record.tokens)).toBeLessThan(TINY.vocabularySize);
        expect(Math.max(0, ...record.prefillSample.experts)).toBeLessThan(TINY.experts);
      } catch (error) {
        expect((error as Error).message).toMatch(/^has /);
      }
    });
    fc.assert(guarded, { seed: 2, numRuns: 5_000 });
  });
});

/** A request of 40 prompt tokens and 40 answered ones with all routing. */
function requestOf({ layers, experts, expertsPerToken, dimensions }: HistoryIdentity): HistoryRecord {
  const length = 40;
  const counts = new Uint32Array(layers * experts).fill((length * expertsPerToken) / experts);
  const tokens = new Uint32Array(length).fill(1000);
  const sample = { tokens, experts: new Uint16Array(length * layers * expertsPerToken) };
  return {
    ...{ id: "chatcmpl-0123456789abcdef01234567", time: 1_760_000_000_000, domain: "code" },
    ...{ vector: new Float32Array(dimensions), tokens: [...tokens], prefill: counts, decode: counts },
    ...{ prefillSample: sample, decodeSample: sample },
  };
}

describe("a record of 40 tokens each way takes", () => {
  const tinyMoe = { ...TINY, layers: 6, experts: 16, expertsPerToken: 2, dimensions: 256, vocabularySize: 4096 };
  const deepSeekLite = {
    ...TINY,
    ...{ layers: 26, experts: 64, expertsPerToken: 6, dimensions: 2048, vocabularySize: 102_400 },
  };

  it.each([
    ["6 × 16 experts, 2 a token", tinyMoe, 2464, 1264],
    ["26 × 64 experts, 6 a token", deepSeekLite, 24288, 11568],
  ])("%s", (_, identity, fullBytes, countsBytes) => {
    const record = requestOf(identity);
    expect(encodeRecord(record, identity)).toHaveLength(fullBytes);
    expect(encodeRecord(withoutTokens(record), identity)).toHaveLength(countsBytes);
  });
});
