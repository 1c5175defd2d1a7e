import { expect, it } from "vitest";
import { toCsvLines } from "./csv.ts";
import type { HistoryRecord } from "./record.ts";
import { someRecords } from "./testing/arbitrary-record.ts";

const SHAPE = { layers: 2, experts: 2 };
const RECORD = {
  ...(someRecords(1)[0] as HistoryRecord),
  id: "a",
  prefill: Uint32Array.of(3, 1, 0, 4),
  decode: Uint32Array.of(0, 0, 2, 0),
};

it("activation matrices become a line for each expert that was chosen", () => {
  expect([...toCsvLines(RECORD, SHAPE)]).toEqual([
    "a,prefill,0,0,3",
    "a,prefill,0,1,1",
    "a,prefill,1,1,4",
    "a,decode,1,0,2",
  ]);
});

it.each([
  ['say "hi", twice', '"say ""hi"", twice"'],
  ["=1+1", "'=1+1"],
])("the id %s is written %s", (id, written) => {
  const [line] = toCsvLines({ ...RECORD, id }, SHAPE);
  expect(line).toBe(`${written},prefill,0,0,3`);
});
