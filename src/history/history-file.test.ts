import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type FileHandle, open, truncate } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { HistoryFile, type HistoryOptions } from "./history-file.ts";
import type { HistoryIdentity } from "./identity.ts";
import { LIMITS } from "./limits.ts";
import { readHistory } from "./read-history.ts";
import { type HistoryRecord, withoutTokens } from "./record.ts";
import { someRecords, TINY } from "./testing/arbitrary-record.ts";
import { collect } from "./testing/collect.ts";
import { temporaryPath } from "./testing/temporary-path.ts";

/** Appends to a history and closes it. */
async function write(path: string, records: readonly HistoryRecord[], options: Partial<HistoryOptions> = {}) {
  const history = await HistoryFile.open(path, TINY, options);
  for (const record of records) await history.append(record);
  await history.close();
}

const read = async (path: string): Promise<HistoryRecord[]> => collect(await readHistory(path, TINY));
const idsOf = (records: readonly HistoryRecord[]): string[] => records.map(({ id }) => id);
const RECORDS = someRecords(6);

describe("a history file", () => {
  it("has what was appended, over any number of openings", async () => {
    const path = temporaryPath();
    await write(path, RECORDS.slice(0, 2));
    await write(path, RECORDS.slice(2));
    expect(await read(path)).toEqual(RECORDS);
  });

  it("is created with its header in one step, also over an empty file, for its owner only", async () => {
    const path = temporaryPath();
    writeFileSync(path, "");
    await write(path, []);
    expect(await read(path)).toEqual([]);
    expect(statSync(path).mode & 0o077).toBe(0);
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  it("keeps the order of appends that are not awaited", async () => {
    const path = temporaryPath();
    const history = await HistoryFile.open(path, TINY);
    await Promise.all([...RECORDS.map((record) => history.append(record)), history.close()]);
    expect(idsOf(await read(path))).toEqual(idsOf(RECORDS));
  });

  it("can be read while it is written", async () => {
    const path = temporaryPath();
    const history = await HistoryFile.open(path, TINY);
    await history.append(RECORDS[0] as HistoryRecord);
    expect(idsOf(await read(path))).toEqual(["request-0"]);
    await history.close();
  });

  it("has one writer", async () => {
    const path = temporaryPath();
    const history = await HistoryFile.open(path, TINY);
    await expect(HistoryFile.open(path, TINY)).rejects.toMatchObject({ code: "HISTORY_UNWRITABLE" });
    await history.close();
    await write(path, RECORDS);
  });

  it("holds no tokens if it is to hold counts only", async () => {
    const path = temporaryPath();
    await write(path, RECORDS, { privacy: "counts" });
    expect(await read(path)).toEqual(RECORDS.map(withoutTokens));
  });

  it("refuses a record of another shape and takes the next", async () => {
    const path = temporaryPath();
    const history = await HistoryFile.open(path, TINY);
    const wrong = { ...(RECORDS[0] as HistoryRecord), vector: new Float32Array(4) };
    await expect(history.append(wrong)).rejects.toThrow("the record 'request-0' has 4 numbers as its vector, not 3");
    await history.append(RECORDS[1] as HistoryRecord);
    await history.close();
    expect(idsOf(await read(path))).toEqual(["request-1"]);
  });

  it("refuses a record that nobody could read", async () => {
    const history = await HistoryFile.open(temporaryPath(), TINY);
    const endless = { ...(RECORDS[0] as HistoryRecord), tokens: new Array<number>(LIMITS.recordBytes).fill(0) };
    await expect(history.append(endless)).rejects.toThrow("over the maximum of 16777216");
    await history.close();
  });
});

describe("an append that the disk cuts short", () => {
  it("is refused, and the next cuts off what it left", async () => {
    const path = temporaryPath();
    const history = await HistoryFile.open(path, TINY);
    await history.append(RECORDS[0] as HistoryRecord);
    await cutNextWrite(path);
    await expect(history.append(RECORDS[1] as HistoryRecord)).rejects.toThrow(/only 10 of \d+ bytes could be written/);
    await history.append(RECORDS[2] as HistoryRecord);
    await history.close();
    expect(idsOf(await read(path))).toEqual(["request-0", "request-2"]);
  });
});

describe("opening", () => {
  it.each<[string, Partial<HistoryIdentity>]>([
    ["model", { model: "f".repeat(64) }],
    ["tokenizer", { tokenizer: "other" }],
    ["shape", { experts: 8 }],
  ])("refuses the history of another %s, for writing and for reading", async (_, change) => {
    const path = temporaryPath();
    await write(path, RECORDS);
    const foreign = { code: "HISTORY_FOREIGN" };
    await expect(HistoryFile.open(path, { ...TINY, ...change })).rejects.toMatchObject(foreign);
    await expect(readHistory(path, { ...TINY, ...change })).rejects.toMatchObject(foreign);
    await write(path, []);
  });

  it.each([
    ["is a folder", "HISTORY_UNWRITABLE", (path: string) => mkdirSync(path)],
    ["is no history", "HISTORY_INVALID", (path: string) => writeFileSync(path, "a text that somebody else needs")],
  ])("refuses a path that %s, and leaves it alone", async (_, code, prepare) => {
    const path = temporaryPath();
    prepare(path);
    const before = statSync(path);
    await expect(HistoryFile.open(path, TINY)).rejects.toMatchObject({ code });
    expect(statSync(path)).toMatchObject({ size: before.size, mtimeMs: before.mtimeMs });
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  it("refuses a path in no folder", async () => {
    const path = join(temporaryPath(), "requests.history");
    await expect(HistoryFile.open(path, TINY)).rejects.toMatchObject({ code: "HISTORY_UNWRITABLE" });
  });

  it("refuses to read what is not there", async () => {
    await expect(readHistory(temporaryPath())).rejects.toMatchObject({ code: "HISTORY_UNREADABLE" });
  });
});

describe("a crash in the middle of an append", () => {
  it("loses this record at most, wherever it was cut, and says so", async () => {
    const path = temporaryPath();
    await write(path, RECORDS.slice(0, 2));
    const whole = readFileSync(path);
    await write(path, RECORDS.slice(2, 3));
    const appended = readFileSync(path);
    for (let length = whole.length; length < appended.length; length++) {
      writeFileSync(path, appended.subarray(0, length));
      const history = await HistoryFile.open(path, TINY);
      expect(history.repaired).toEqual({ droppedBytes: length - whole.length, skippedRecords: 0 });
      await history.append(RECORDS[3] as HistoryRecord);
      await history.close();
      expect(idsOf(await read(path))).toEqual(["request-0", "request-1", "request-3"]);
    }
  });

  it("that left zeros where bytes should be is repaired too", async () => {
    const path = temporaryPath();
    await write(path, RECORDS.slice(0, 1));
    const whole = readFileSync(path);
    await truncate(path, whole.length + 5000);
    const history = await HistoryFile.open(path, TINY);
    expect(history.repaired.droppedBytes).toBe(5000);
    await history.close();
    expect(readFileSync(path)).toEqual(whole);
  });
});

it("a damaged record in the middle is skipped, counted, and gone after the next compaction", async () => {
  const path = temporaryPath();
  await write(path, RECORDS.slice(0, 1));
  const inSecond = statSync(path).size + 20;
  await write(path, RECORDS.slice(1, 3));
  const bytes = readFileSync(path);
  bytes[inSecond] = (bytes[inSecond] as number) ^ 1;
  writeFileSync(path, bytes);
  const history = await HistoryFile.open(path, TINY, { limits: { maxRecords: 2, maxBytes: 1e6 } });
  expect(history.repaired).toEqual({ droppedBytes: 0, skippedRecords: 1 });
  expect(history.records).toBe(2);
  await history.append(RECORDS[3] as HistoryRecord);
  await history.close();
  const reading = await readHistory(path, TINY);
  expect(idsOf(await collect(reading))).toEqual(["request-2", "request-3"]);
  expect(reading.damage.skippedRecords).toBe(0);
});

describe("a full history", () => {
  it("keeps the newest and is rarely written anew", async () => {
    const path = temporaryPath();
    const records = someRecords(100);
    const history = await HistoryFile.open(path, TINY, { limits: { maxRecords: 20, maxBytes: 1e6 } });
    const counts: number[] = [];
    for (const record of records) {
      await history.append(record);
      counts.push(history.records);
    }
    await history.close();
    expect(Math.max(...counts)).toBe(25);
    const compactions = counts.filter((count, i) => count < (counts[i - 1] ?? 0)).length;
    expect(compactions).toBeLessThanOrEqual(100 / 5);
    expect(idsOf(await read(path))).toEqual(idsOf(records.slice(-history.records)));
    expect(history.fileBytes).toBe(statSync(path).size);
  });

  it("is bounded in bytes too", async () => {
    const path = temporaryPath();
    const maxBytes = 2000;
    const history = await HistoryFile.open(path, TINY, { limits: { maxRecords: 1e6, maxBytes } });
    for (const record of someRecords(100)) {
      await history.append(record);
      expect(statSync(path).size).toBeLessThanOrEqual(1.25 * maxBytes);
    }
    await history.close();
    expect((await read(path)).at(-1)?.id).toBe("request-99");
  });

  it("gives up older copies of a prompt before a unique one", async () => {
    const path = temporaryPath();
    const [unique, repeated] = RECORDS as [HistoryRecord, HistoryRecord];
    const copies = Array.from({ length: 5 }, (_, i) => ({ ...repeated, id: `copy-${i}` }));
    await write(path, [unique, ...copies], { limits: { maxRecords: 4, maxBytes: 1e6 } });
    expect(idsOf(await read(path))).toEqual(["request-0", "copy-2", "copy-3", "copy-4"]);
  });
});

/** Lets the next write to any file end after 10 bytes, as on a full disk. */
async function cutNextWrite(path: string): Promise<void> {
  const file = await open(path, "r");
  await file.close();
  const handles: FileHandle = Object.getPrototypeOf(file);
  const spy = vi.spyOn(handles, "write");
  spy.mockImplementationOnce(function (this: FileHandle, bytes: string | Uint8Array) {
    spy.mockRestore();
    return this.write((bytes as Uint8Array).subarray(0, 10));
  } as FileHandle["write"]);
}
