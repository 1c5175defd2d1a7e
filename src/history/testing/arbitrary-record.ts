import fc from "fast-check";
import type { RoutingSample } from "../../predictor/example.ts";
import type { HistoryIdentity } from "../identity.ts";
import type { HistoryRecord } from "../record.ts";

/** A model small enough to damage each of its bytes. */
export const TINY: HistoryIdentity = {
  layers: 2,
  experts: 4,
  expertsPerToken: 2,
  dimensions: 3,
  vocabularySize: 300,
  model: "0123456789abcdef".repeat(4),
  tokenizer: "bpe:7f3a",
};

/** The same with expert ids that take two bytes. */
export const WIDE: HistoryIdentity = { ...TINY, experts: 300 };

/** Any record of a model. */
export function arbitraryRecord(identity: HistoryIdentity): fc.Arbitrary<HistoryRecord> {
  const { layers, experts, dimensions, vocabularySize } = identity;
  const cells = layers * experts;
  const token = fc.nat(vocabularySize - 1);
  const count = fc.oneof(fc.nat(200), fc.nat(2 ** 32 - 1));
  const counts = fc.array(count, { minLength: cells, maxLength: cells }).map((values) => Uint32Array.from(values));
  const text = fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }).filter((value) => !/\p{Cc}/u.test(value));
  return fc.record({
    id: text,
    time: fc.maxSafeNat(),
    domain: fc.option(text),
    vector: fc.float32Array({ minLength: dimensions, maxLength: dimensions, noNaN: true, noDefaultInfinity: true }),
    tokens: fc.array(token, { maxLength: 20 }),
    prefill: counts,
    decode: counts,
    prefillSample: arbitrarySample(identity),
    decodeSample: arbitrarySample(identity),
  });
}

function arbitrarySample({ layers, experts, expertsPerToken, vocabularySize }: HistoryIdentity) {
  const routed = layers * expertsPerToken;
  const chosen = fc.array(fc.nat(experts - 1), { minLength: routed, maxLength: routed });
  return fc.array(fc.tuple(fc.nat(vocabularySize - 1), chosen), { maxLength: 5 }).map(
    (rows): RoutingSample => ({
      tokens: Uint32Array.from(rows, ([token]) => token),
      experts: Uint16Array.from(rows.flatMap(([, experts]) => experts)),
    }),
  );
}

/** Up to 100 records of TINY, the same each time, none a near-duplicate of another. */
export function someRecords(count: number): HistoryRecord[] {
  const records = fc.sample(arbitraryRecord(TINY), { numRuns: count, seed: 42 });
  return records.map((record, index) => ({ ...record, id: `request-${index}`, vector: vectorOf(index) }));
}

/** Three values whose ratios no other index has. */
function vectorOf(index: number): Float32Array {
  return Float32Array.of(10, index % 10, Math.floor(index / 10));
}
