import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, homedir } from "node:os";
import { basename, join } from "node:path";
import { remoeError } from "../core/errors.ts";
import { type Installation, NATIVE_VERSION } from "./installation.ts";

/**
 * Which CPU library runs on this machine. A library built for another processor dies of an illegal instruction, so the
 * candidates are loaded in a child first: the child dies, not the user's process. The answer is kept in the cache
 * directory (one file for each processor model and installation), which saves 150 ms at every later start. A function
 * in a container has no such directory: who starts it tells what it has found out itself, which holds on machines alike.
 */

/** Environment variable with such a {@link cpuLibraryFinding}. */
export const CPU_LIBRARY_VARIABLE = "REMOE_CPU_LIBRARY";
const SEPARATOR = "=";

/**
 * Runs in the child, as text: it must load nothing but koffi. Each CPU library scores itself (0 = cannot run here).
 * The last line computes through the winner, so that a library that loads but cannot work is found out too.
 */
const CHILD = `
process.once("uncaughtException", ({ message }) => { console.error(message); process.exit(1); });
const koffi = require(process.argv[1]);
const { base, registry, cpu } = JSON.parse(process.argv[2]);
koffi.load(base, { global: true });
const scored = cpu.map((file) => {
  try { return [koffi.load(file).func("ggml_backend_score", "int", [])(), file]; } catch { return [cpu.length === 1 ? 1 : 0, file]; }
});
const [score, best] = scored.sort((a, b) => b[0] - a[0])[0];
if (!(score > 0)) { console.error("no CPU library supports this processor"); process.exit(3); }
if (koffi.load(registry, { global: true }).func("ggml_backend_load", "void *", ["str"])(best) === null) process.exit(4);
console.log(best);
`;

/** @throws NATIVE_PROBE_FAILED with the signal or message the child died of */
export function selectCpuLibrary(installation: Installation): string {
  return readTold(installation) ?? readCache(installation) ?? probe(installation);
}

/** What was found out for machines like this one, as text for functions that run elsewhere. @throws NATIVE_PROBE_FAILED */
export function cpuLibraryFinding(installation: Installation): string {
  return `${machineKind(installation)}${SEPARATOR}${basename(selectCpuLibrary(installation))}`;
}

function probe(installation: Installation): string {
  const { base, registry, cpu, directory } = installation;
  const koffi = createRequire(import.meta.url).resolve("koffi");
  const child = spawnSync(process.execPath, ["-e", CHILD, koffi, JSON.stringify({ base, registry, cpu })], {
    encoding: "utf8",
    timeout: 30_000,
  });
  const chosen = child.stdout?.trim().split("\n").at(-1) ?? "";
  if (child.status !== 0 || !cpu.includes(chosen)) {
    const reason = child.signal ?? (child.stderr?.trim().split("\n").at(-1) || `exit code ${child.status}`);
    throw remoeError("NATIVE_PROBE_FAILED", { directory, reason });
  }
  writeCache(installation, chosen);
  return chosen;
}

/** Remoe's cache directory: REMOE_CACHE_DIR, or the platform's (XDG_CACHE_HOME). */
export function cacheDirectory(): string {
  const base = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return process.env["REMOE_CACHE_DIR"] ?? join(base, "remoe");
}

/** Equal where the same of the packages' libraries is the right one. */
function machineKind({ variant }: Installation): string {
  return digest([NATIVE_VERSION, variant, cpus()[0]?.model, process.arch]);
}

function digest(facts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 16);
}

function readTold(installation: Installation): string | undefined {
  const [about, name = ""] = (process.env[CPU_LIBRARY_VARIABLE] ?? "").split(SEPARATOR);
  const told = join(installation.directory, name);
  return about === machineKind(installation) && installation.cpu.includes(told) ? told : undefined;
}

function cachePath({ directory, base }: Installation): string {
  const identity = digest([directory, statSync(base).mtimeMs, cpus()[0]?.model, process.arch, process.version]);
  return join(cacheDirectory(), `cpu-library-${identity}`);
}

function readCache(installation: Installation): string | undefined {
  try {
    const chosen = readFileSync(cachePath(installation), "utf8");
    return installation.cpu.includes(chosen) ? chosen : undefined;
  } catch {
    return undefined;
  }
}

/** A cache that cannot be written costs the next start a probe, nothing else. */
function writeCache(installation: Installation, chosen: string): void {
  try {
    const path = cachePath(installation);
    mkdirSync(cacheDirectory(), { recursive: true, mode: 0o700 });
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, chosen);
    renameSync(temporary, path);
  } catch {}
}
