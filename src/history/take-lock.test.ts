import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { takeLock } from "./take-lock.ts";
import { temporaryPath } from "./testing/temporary-path.ts";

const UNWRITABLE = { code: "HISTORY_UNWRITABLE" };

/** Of a process that has ended. */
const endedPid = (): number => spawnSync(process.execPath, ["--version"]).pid;

function lockedBy(owner: string): string {
  const path = temporaryPath();
  writeFileSync(`${path}.lock`, owner);
  return path;
}

describe("a history", () => {
  it("has one writer in a process, and the next after it", async () => {
    const path = temporaryPath();
    const release = await takeLock(path);
    await expect(takeLock(path)).rejects.toMatchObject(UNWRITABLE);
    await release();
    expect(existsSync(`${path}.lock`)).toBe(false);
    await (await takeLock(path))();
  });

  it("goes to one of two that ask at the same time", async () => {
    const path = temporaryPath();
    const outcomes = await Promise.allSettled([takeLock(path), takeLock(path)]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  });

  it("stays with a process that runs, which the refusal names", async () => {
    const path = lockedBy(`${process.ppid} ${hostname()}`);
    await expect(takeLock(path)).rejects.toThrow(`process '${process.ppid}' of '${hostname()}' writes it`);
  });

  it.each([
    ["a process of another host", "1 elsewhere"],
    ["nobody it can know", "?"],
  ])("stays with %s", async (_, owner) => {
    const path = lockedBy(owner);
    await expect(takeLock(path)).rejects.toMatchObject(UNWRITABLE);
    expect(readFileSync(`${path}.lock`, "utf8")).toBe(owner);
  });

  it("is taken over from whoever has it by one who knows that it is over", async () => {
    const path = lockedBy("1 elsewhere");
    await takeLock(path, true);
    expect(readFileSync(`${path}.lock`, "utf8")).toBe(`${process.pid} ${hostname()}`);
  });

  it.each([
    ["has ended", endedPid()],
    ["had the id this one has, in an earlier life of the container", process.pid],
  ])("is taken over from a process that %s", async (_, pid) => {
    const path = lockedBy(`${pid} ${hostname()}`);
    await takeLock(path);
    expect(readFileSync(`${path}.lock`, "utf8")).toBe(`${process.pid} ${hostname()}`);
  });
});
