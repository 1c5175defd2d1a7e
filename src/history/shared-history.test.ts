import { describe, expect, it } from "vitest";
import { HistoryFile } from "./history-file.ts";
import { readHistory } from "./read-history.ts";
import type { HistoryRecord } from "./record.ts";
import { SharedHistory } from "./shared-history.ts";
import { someRecords, TINY } from "./testing/arbitrary-record.ts";
import { collect } from "./testing/collect.ts";
import { temporaryPath } from "./testing/temporary-path.ts";

const RECORDS = someRecords(6);
const idsOf = (records: readonly HistoryRecord[]): string[] => records.map(({ id }) => id);
const read = async (path: string): Promise<string[]> => idsOf(await collect(await readHistory(path, TINY)));

function join(path: string) {
  const problems: Error[] = [];
  const open = () => HistoryFile.open(path, TINY, { takesOver: true });
  const history = new SharedHistory({ path, open, onProblem: (error) => problems.push(error) });
  return { history, problems };
}

describe("a shared history", () => {
  it("gets the records of one process at a time, and those that waited for their turn", async () => {
    const path = temporaryPath();
    const [first, second] = [join(path), join(path)];
    first.history.setTurn(true);
    first.history.append(RECORDS[0] as HistoryRecord);
    second.history.append(RECORDS[1] as HistoryRecord);
    await first.history.close();
    expect(await read(path)).toEqual(idsOf(RECORDS.slice(0, 1)));
    second.history.setTurn(true);
    second.history.append(RECORDS[2] as HistoryRecord);
    await second.history.close();
    expect(await read(path)).toEqual(idsOf(RECORDS.slice(0, 3)));
    expect([...first.problems, ...second.problems]).toEqual([]);
  });

  it("is written again by one whose turn comes back", async () => {
    const path = temporaryPath();
    const { history } = join(path);
    for (const [index, record] of RECORDS.entries()) {
      history.setTurn(index % 2 === 0);
      history.append(record);
    }
    history.setTurn(true);
    await history.close();
    expect(await read(path)).toEqual(idsOf(RECORDS));
  });

  it("says what is lost with a process that never had a turn", async () => {
    const path = temporaryPath();
    const { history, problems } = join(path);
    for (const record of RECORDS) history.append(record);
    await history.close();
    expect(problems).toMatchObject([{ code: "HISTORY_UNWRITABLE" }]);
    expect(problems[0]?.message).toContain("6 records of this one are lost");
  });

  it("keeps the newest thousand records of one that waits", async () => {
    const path = temporaryPath();
    const { history } = join(path);
    const [record] = RECORDS as [HistoryRecord];
    for (let index = 0; index < 1_200; index++) history.append({ ...record, id: String(index) });
    history.setTurn(true);
    await history.close();
    expect(await read(path)).toEqual(Array.from({ length: 1_000 }, (_, index) => String(200 + index)));
  });

  it("tells when it cannot be opened, and tries again at the next turn", async () => {
    const path = temporaryPath();
    const other = await HistoryFile.open(path, TINY);
    const { history, problems } = join(path);
    history.append(RECORDS[0] as HistoryRecord);
    history.setTurn(true);
    history.setTurn(false);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(problems).toMatchObject([{ code: "HISTORY_UNWRITABLE" }]);
    await other.close();
    history.setTurn(true);
    await history.close();
    expect(await read(path)).toEqual(["request-0"]);
  });
});
