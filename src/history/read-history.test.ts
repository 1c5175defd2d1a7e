import { writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRemoeError } from "../core/errors.ts";
import { encodeFrame } from "./frame.ts";
import { encodeHeader } from "./header-codec.ts";
import { readHistory } from "./read-history.ts";
import type { HistoryRecord } from "./record.ts";
import { encodeRecord } from "./record-codec.ts";
import { someRecords, TINY } from "./testing/arbitrary-record.ts";
import { collect } from "./testing/collect.ts";
import { temporaryPath } from "./testing/temporary-path.ts";

const RECORDS = someRecords(4);
const FRAMES = RECORDS.map((record) => encodeFrame(encodeRecord(record, TINY)));
const HEADER = encodeHeader(TINY);
const INTACT = Buffer.concat([HEADER, ...FRAMES]);
/** Where the header ends, and each record. */
const ENDS = [0, 1, 2, 3, 4].map((count) => Buffer.concat([HEADER, ...FRAMES.slice(0, count)]).length);

type Outcome = { readonly records: HistoryRecord[]; readonly lost: number } | "refused";

/** What reading a file of these bytes gives. Anything but records or their refusal fails the test. */
async function outcomeOf(path: string, bytes: Uint8Array): Promise<Outcome> {
  writeFileSync(path, bytes);
  try {
    const reading = await readHistory(path, TINY);
    const records = await collect(reading);
    return { records, lost: reading.damage.skippedRecords + (reading.damage.droppedBytes > 0 ? 1 : 0) };
  } catch (error) {
    if (!isRemoeError(error) || error.code !== "HISTORY_INVALID") throw error;
    return "refused";
  }
}

/** Every record read is one that was written, in order. */
function expectOnlyTrueRecords(records: readonly HistoryRecord[]): void {
  const ids = new Set(records.map(({ id }) => id));
  expect(records).toEqual(RECORDS.filter(({ id }) => ids.has(id)));
}

describe("a damaged history", () => {
  it("cut at any byte gives the records before it", async () => {
    const path = temporaryPath();
    for (let length = 0; length < INTACT.length; length++) {
      const outcome = await outcomeOf(path, INTACT.subarray(0, length));
      const whole = ENDS.filter((end) => end <= length).length - 1;
      if (whole < 0) expect(outcome).toBe("refused");
      else expect(outcome).toEqual({ records: RECORDS.slice(0, whole), lost: ENDS.includes(length) ? 0 : 1 });
    }
  });

  it("with one bit flipped loses one record or is refused", async () => {
    const path = temporaryPath();
    for (let byte = 0; byte < INTACT.length; byte++) {
      const flipped = Buffer.from(INTACT);
      flipped[byte] = (flipped[byte] as number) ^ (1 << (byte % 8));
      const outcome = await outcomeOf(path, flipped);
      if (outcome === "refused") continue;
      expect(byte).toBeGreaterThanOrEqual(HEADER.length);
      expect(outcome.lost).toBe(1);
      expect(outcome.records).toHaveLength(RECORDS.length - 1);
      expectOnlyTrueRecords(outcome.records);
    }
  });

  it("with stretches overwritten, inserted or cut out never gives a wrong record", async () => {
    const path = temporaryPath();
    const place = fc.nat(INTACT.length - 1);
    const change = fc.tuple(place, fc.uint8Array({ maxLength: 40 }), fc.nat(60));
    const tally = { read: 0, refused: 0 };
    const guarded = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      const bytes = changes.reduce(
        (before, [at, inserted, removed]) =>
          Buffer.concat([before.subarray(0, at), inserted, before.subarray(at + removed)]),
        INTACT,
      );
      const outcome = await outcomeOf(path, bytes);
      if (outcome !== "refused") expectOnlyTrueRecords(outcome.records);
      tally[outcome === "refused" ? "refused" : "read"]++;
    });
    await fc.assert(guarded, { seed: 8, numRuns: 2_000 });
    expect(tally.refused).toBeGreaterThan(200);
    expect(tally.read).toBeGreaterThan(100);
  });

  it("that is noise, with or without a true header, gives no record", async () => {
    const path = temporaryPath();
    const noise = fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (random) => {
      for (const start of [Buffer.alloc(0), HEADER]) {
        const outcome = await outcomeOf(path, Buffer.concat([start, random]));
        if (outcome !== "refused") expect(outcome.records).toEqual([]);
      }
    });
    await fc.assert(noise, { seed: 9, numRuns: 500 });
  });
});

it("a history can be read again, also after a loop that was left", async () => {
  const path = temporaryPath();
  writeFileSync(path, INTACT);
  const history = await readHistory(path);
  for await (const record of history) {
    expect(record).toEqual(RECORDS[0]);
    break;
  }
  expect(await collect(history)).toEqual(RECORDS);
  expect(history.damage).toEqual({ droppedBytes: 0, skippedRecords: 0 });
});
