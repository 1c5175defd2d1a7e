import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, homedir } from "node:os";
import { join } from "node:path";
import { remoeError } from "../core/errors.ts";
import type { Installation } from "./installation.ts";

/**
 * Which CPU library runs on this machine. A library built for another processor dies of an illegal instruction, so the
 * candidates are loaded in a child first: the child dies, not the user's process. The answer is kept in the cache
 * directory (one file for each processor model and installation), which saves 150 ms at every later start.
 */

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
  const cached = cachePath(installation);
  return readCache(cached, installation) ?? probe(installation, cached);
}

function probe(installation: Installation, cachedAt: string): string {
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
  writeCache(cachedAt, chosen);
  return chosen;
}

/** Remoe's cache directory: REMOE_CACHE_DIR, or the platform's (XDG_CACHE_HOME). */
export function cacheDirectory(): string {
  const base = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return process.env["REMOE_CACHE_DIR"] ?? join(base, "remoe");
}

function cachePath({ directory, base }: Installation): string {
  const identity = [directory, statSync(base).mtimeMs, cpus()[0]?.model, process.arch, process.version];
  const digest = createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 16);
  return join(cacheDirectory(), `cpu-library-${digest}`);
}

function readCache(path: string, { cpu }: Installation): string | undefined {
  try {
    const chosen = readFileSync(path, "utf8");
    return cpu.includes(chosen) ? chosen : undefined;
  } catch {
    return undefined;
  }
}

/** A cache that cannot be written costs the next start a probe, nothing else. */
function writeCache(path: string, chosen: string): void {
  try {
    mkdirSync(cacheDirectory(), { recursive: true, mode: 0o700 });
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, chosen);
    renameSync(temporary, path);
  } catch {}
}
