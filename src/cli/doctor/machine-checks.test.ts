import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  checkCacheDirectory,
  checkHugePages,
  checkLimits,
  checkMemory,
  checkNode,
  simdFeatures,
} from "./machine-checks.ts";

const folder = mkdtempSync(join(tmpdir(), "doctor-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("checkNode", () => {
  it.each(["20.19.0", "22.1.0"])("accepts %s", (version) => {
    expect(checkNode(version)).toMatchObject({ status: "ok", found: version, advice: null });
  });

  it.each(["20.18.3", "18.20.0"])("fails %s", (version) => {
    expect(checkNode(version)).toMatchObject({ status: "fail", advice: "Install Node.js 20.19 or newer." });
  });
});

describe("simdFeatures", () => {
  it("picks what ggml has kernels for, on x86 and ARM", () => {
    expect(simdFeatures("processor : 0\nflags\t\t: fpu sse2 avx avx2 fma avx512_vnni\nbugs : x\n")).toEqual([
      "avx",
      "avx2",
      "fma",
      "avx512_vnni",
    ]);
    expect(simdFeatures("Features\t: fp asimd asimddp i8mm crc32\n")).toEqual(["asimd", "asimddp", "i8mm"]);
    expect(simdFeatures("")).toEqual([]);
  });
});

describe("checkMemory", () => {
  it("counts in bytes, and what is available is part of the whole", () => {
    const { available, total } = checkMemory().details as { available: number; total: number };
    expect(available).toBeGreaterThan(0);
    expect(available).toBeLessThanOrEqual(total);
  });
});

describe("checkCacheDirectory", () => {
  it("makes the folder", () => {
    const directory = join(folder, "new", "cache");
    expect(checkCacheDirectory(directory)).toMatchObject({ status: "ok", found: directory });
  });

  it("warns where it cannot", () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    expect(checkCacheDirectory(join(file, "cache"))).toMatchObject({
      status: "warn",
      advice: expect.stringContaining("REMOE_CACHE_DIR"),
    });
  });
});

describe("checkHugePages", () => {
  it("warns only where they are switched off", () => {
    expect(checkHugePages("always [madvise] never")).toMatchObject({ status: "ok", found: "madvise" });
    expect(checkHugePages("always madvise [never]").status).toBe("warn");
    expect(checkHugePages("")).toMatchObject({ status: "ok", found: "not applicable" });
  });
});

describe("checkLimits", () => {
  it("passes where memory and processors are limited", () => {
    expect(checkLimits({ memory: "cgroup v2", cpu: "cgroup v2" })).toMatchObject({ status: "ok", advice: null });
  });

  it.each([
    { memory: "rlimit", cpu: "none" },
    { memory: "none", cpu: "none" },
  ] as const)("warns where functions can take more than they are billed for: $memory, $cpu", (limits) => {
    expect(checkLimits(limits)).toMatchObject({ status: "warn", found: expect.stringContaining(limits.memory) });
  });
});
