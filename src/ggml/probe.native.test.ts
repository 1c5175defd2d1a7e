import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { findInstallation, type Installation } from "./installation.ts";
import { CPU_LIBRARY_VARIABLE, cpuLibraryFinding, selectCpuLibrary } from "./probe.ts";

const installation = findInstallation();
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
  vi.stubEnv("REMOE_CACHE_DIR", join(folder, "cache"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** Makes every child of this process die of a signal at once, as one that meets an unknown instruction does. */
function breakChildren(): void {
  const script = join(folder, "die.cjs");
  writeFileSync(script, 'process.kill(process.pid, "SIGILL");');
  vi.stubEnv("NODE_OPTIONS", `--require ${script}`);
}

function garbage(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, "this is no library");
  return path;
}

function failure(broken: Installation): { readonly code: string; readonly reason: string } {
  try {
    return { code: "none", reason: selectCpuLibrary(broken) };
  } catch (error) {
    const { code, details } = error as { code: string; details: { reason: string } };
    return { code, reason: details.reason };
  }
}

describe("the probe", () => {
  it("chooses one of the installed CPU libraries", () => {
    expect(installation.cpu).toContain(selectCpuLibrary(installation));
  });

  it("survives a child that dies of a signal, and names the signal", () => {
    breakChildren();
    expect(failure(installation)).toEqual({ code: "NATIVE_PROBE_FAILED", reason: "SIGILL" });
  });

  it.each([
    ["CPU library", "libggml-cpu-broken.so", (file: string): Partial<Installation> => ({ cpu: [file] })],
    ["base library", "libggml-base.so", (base: string): Partial<Installation> => ({ base })],
    ["registry", "libggml.so", (registry: string): Partial<Installation> => ({ registry })],
  ])("refuses a %s that does not load, and says what the loader said", (_, name, broken) => {
    const { code, reason } = failure({ ...installation, ...broken(garbage(name)) });
    expect(code).toBe("NATIVE_PROBE_FAILED");
    expect(reason).toMatch(/failed to load/i);
  });

  it("leaves broken libraries aside when another one runs", () => {
    const cpu = [garbage("libggml-cpu-broken.so"), ...installation.cpu];
    expect(installation.cpu).toContain(selectCpuLibrary({ ...installation, cpu }));
  });
});

describe("the probe's answer", () => {
  const cacheFiles = (): string[] => readdirSync(join(folder, "cache")).map((name) => join(folder, "cache", name));

  it("is kept, so that the next start needs no child", () => {
    const chosen = selectCpuLibrary(installation);
    expect(cacheFiles().map((path) => readFileSync(path, "utf8"))).toEqual([chosen]);
    breakChildren();
    expect(selectCpuLibrary(installation)).toBe(chosen);
  });

  it("is asked for again when the file is corrupt or names a library that is gone", () => {
    const chosen = selectCpuLibrary(installation);
    const [file = ""] = cacheFiles();
    for (const content of ["", "\0\0", "/nowhere/libggml-cpu-old.so"]) {
      writeFileSync(file, content);
      expect(selectCpuLibrary(installation)).toBe(chosen);
      expect(readFileSync(file, "utf8")).toBe(chosen);
    }
  });

  it("is not needed: a cache that cannot be written costs another probe and nothing else", () => {
    vi.stubEnv("REMOE_CACHE_DIR", join(garbage("file"), "cache"));
    expect(installation.cpu).toContain(selectCpuLibrary(installation));
  });

  it("is kept for each installation apart", () => {
    selectCpuLibrary(installation);
    selectCpuLibrary({ ...installation, directory: folder });
    expect(cacheFiles()).toHaveLength(2);
  });

  it("is believed when it was found out elsewhere on a machine like this one", () => {
    vi.stubEnv(CPU_LIBRARY_VARIABLE, cpuLibraryFinding(installation));
    vi.stubEnv("REMOE_CACHE_DIR", join(folder, "empty"));
    breakChildren();
    expect(installation.cpu).toContain(selectCpuLibrary(installation));
  });

  it.each(["another machine", "no library"])("is not taken from elsewhere when it is about %s", (what) => {
    const [identity, library] = cpuLibraryFinding(installation).split("=");
    const told = what === "no library" ? `${identity}=../../${library}` : `0123456789abcdef=${library}`;
    vi.stubEnv(CPU_LIBRARY_VARIABLE, told);
    vi.stubEnv("REMOE_CACHE_DIR", join(folder, "empty"));
    breakChildren();
    expect(failure(installation).code).toBe("NATIVE_PROBE_FAILED");
  });
});
