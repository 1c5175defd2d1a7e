import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { remoeError } from "../core/errors.ts";

/** Ends the claim on a history. */
export type ReleaseLock = () => Promise<void>;

/** Locks of this process. A lock file with its id that is not among them is from an earlier process of the same id. */
const held = new Set<string>();

/**
 * Claims a history for this process by a file `<path>.lock` that names it. The lock of a process of this host that
 * has ended is taken over; whether one of another host (or container) runs cannot be known, so its lock stays.
 * @param takesOver another process's lock means nothing: the caller knows that it is over
 * @throws HISTORY_UNWRITABLE if another writer has it; errors of the file system
 */
export async function takeLock(path: string, takesOver = false): Promise<ReleaseLock> {
  const lock = `${resolve(path)}.lock`;
  if (held.has(lock)) throw remoeError("HISTORY_UNWRITABLE", { path, reason: "this process writes it already" });
  held.add(lock);
  try {
    await claim(lock, path, takesOver);
  } catch (error) {
    held.delete(lock);
    throw error;
  }
  return async () => {
    await rm(lock, { force: true });
    held.delete(lock);
  };
}

async function claim(lock: string, path: string, takesOver: boolean): Promise<void> {
  while ((await nullIf("EEXIST", writeFile(lock, ownName(), { flag: "wx", mode: 0o600 }))) === null) {
    const owner = await nullIf("ENOENT", readFile(lock, "utf8"));
    if (owner === null) continue;
    if (!takesOver && !isStale(owner))
      throw remoeError("HISTORY_UNWRITABLE", { path, reason: describeOwner(lock, owner) });
    await removeStale(lock, owner);
  }
}

function ownName(): string {
  return `${process.pid} ${hostname()}`;
}

function isStale(owner: string): boolean {
  const [pid = "", host] = owner.split(" ");
  if (host !== hostname() || !/^[1-9]\d{0,9}$/.test(pid)) return false;
  return Number(pid) === process.pid || !isRunning(Number(pid));
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // A process of another user may not be signalled, but is there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Moves the lock aside before deleting it: if another process took it over meanwhile, that one gets it back. */
async function removeStale(lock: string, owner: string): Promise<void> {
  const aside = `${lock}.${process.pid}`;
  if ((await nullIf("ENOENT", rename(lock, aside))) === null) return;
  if ((await readFile(aside, "utf8")) === owner) await rm(aside);
  else await rename(aside, lock);
}

/** → null if the work failed with this code of the file system. */
async function nullIf<Result>(code: string, work: Promise<Result>): Promise<Result | null> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return null;
    throw error;
  }
}

function describeOwner(lock: string, owner: string): string {
  const [pid = "", host = ""] = owner.split(" ");
  return `process '${pid}' of '${host}' writes it (if that has ended, delete '${lock}')`;
}
