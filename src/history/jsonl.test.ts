import { writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { importJsonl } from "./import-jsonl.ts";
import { parseJsonLine, toJsonLine } from "./jsonl.ts";
import type { HistoryRecord } from "./record.ts";
import { arbitraryRecord, someRecords, TINY, WIDE } from "./testing/arbitrary-record.ts";
import { collect } from "./testing/collect.ts";
import { temporaryPath } from "./testing/temporary-path.ts";

const PLACE = { path: "f.jsonl", line: 3 };
const LINE = toJsonLine(someRecords(1)[0] as HistoryRecord, TINY);
const changed = (change: object): string => JSON.stringify({ ...JSON.parse(LINE), ...change });

describe("a line of JSON", () => {
  it.each([TINY, WIDE])("is read as the record it was written from", (identity) => {
    const same = fc.property(arbitraryRecord(identity), (record) => {
      const line = toJsonLine(record, identity);
      expect(line).not.toContain("\n");
      expect(parseJsonLine(line, identity, PLACE)).toEqual(record);
    });
    fc.assert(same, { seed: 6, numRuns: 300 });
  });

  it.each([
    ["that is not JSON", "{", "its line 3 is not JSON"],
    ["without a field", changed({ id: undefined }), "its line 3 has a problem in 'id'"],
    ["with an unknown field", changed({ extra: 1 }), "extra"],
    [
      "with a count below 0",
      changed({ prefill: [-1, 0, 0, 0, 0, 0, 0, 0] }),
      "its line 3 has a problem in 'prefill.0'",
    ],
    ["with too few counts", changed({ prefill: [1] }), "its line 3 has 1 numbers as its prefill, not 8"],
    ["with a short vector", changed({ vector: "AAAA" }), "in its vector"],
    ["with a token of no vocabulary", changed({ tokens: [300] }), "has 300 among its tokens, not 0 to 299"],
  ])("%s is refused", (_, line, problem) => {
    expect(() => parseJsonLine(line, TINY, PLACE)).toThrow(problem);
  });

  it("of another model is refused", () => {
    expect(() => parseJsonLine(changed({ model: "f".repeat(64) }), TINY, PLACE)).toThrow("belongs to another model");
  });
});

describe("a JSONL file", () => {
  it("gives its records in order; empty lines and a missing last end do not matter", async () => {
    const path = temporaryPath();
    const records = someRecords(50);
    writeFileSync(path, records.map((record) => toJsonLine(record, TINY)).join("\r\n\n"));
    expect(await collect(importJsonl(path, TINY))).toEqual(records);
  });

  it("says which line is wrong", async () => {
    const path = temporaryPath();
    writeFileSync(path, `${LINE}\n\n{}\n`);
    await expect(collect(importJsonl(path, TINY))).rejects.toThrow("its line 3 has a problem");
  });

  it("that is not there is unreadable", async () => {
    await expect(collect(importJsonl(temporaryPath(), TINY))).rejects.toMatchObject({ code: "HISTORY_UNREADABLE" });
  });
});
