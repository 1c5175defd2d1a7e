import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CgroupFacts } from "./find-cgroup.ts";
import { createLimiter } from "./limiter.ts";

/** Ordinary folders and files in place of the kernel's. */
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "remoe-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const content = (...path: readonly string[]): string => readFileSync(join(folder, ...path), "utf8");

function version2(): CgroupFacts {
  mkdirSync(join(folder, "own"));
  return { mountinfo: `30 1 0:1 / ${folder} rw - cgroup2 cgroup2 rw`, membership: "0::/own" };
}

function version1(): CgroupFacts {
  const mounts = ["memory", "cpu"].map((name) => `30 1 0:1 / ${join(folder, name)} rw - cgroup cgroup rw,${name}`);
  for (const name of ["memory", "cpu"]) mkdirSync(join(folder, name, "own"), { recursive: true });
  return { mountinfo: mounts.join("\n"), membership: "2:memory:/own\n1:cpu:/own" };
}

describe.skipIf(process.platform === "win32")("limits by control groups (needs a shell)", () => {
  it("of version 2 are files of one group below the caller's own", async () => {
    const limiter = await createLimiter("remoe-1-1", version2());
    expect(limiter.limits).toEqual({ memory: "cgroup v2", cpu: "cgroup v2" });
    const confinement = limiter.confine("experts.1", 100);
    const group = join("own", "remoe-1-1", "experts.1");
    expect(content(group, "memory.max")).toBe("104857600");
    expect(existsSync(join(folder, group, "cpu.max"))).toBe(false);
    confinement.throttle(0.25);
    expect(content(group, "cpu.max")).toBe("5000 20000");
    expect(new Set(confinement.processLists)).toEqual(new Set([join(folder, group, "cgroup.procs")]));
  });

  it("of memory may come later, when they are known", async () => {
    const limiter = await createLimiter("remoe-1-1", version2());
    const confinement = limiter.confine("prepared.1", null);
    const group = join("own", "remoe-1-1", "prepared.1");
    expect(existsSync(join(folder, group, "memory.max"))).toBe(false);
    confinement.limitMemory(100);
    expect(content(group, "memory.max")).toBe("104857600");
  });

  it("of version 2 are delegated to the children, and only where they are not yet", async () => {
    const facts = version2();
    writeFileSync(join(folder, "own", "cgroup.subtree_control"), "cpuset cpu memory\n");
    await createLimiter("remoe-1-1", facts);
    expect(content("own", "cgroup.subtree_control")).toBe("cpuset cpu memory\n");
    expect(content("own", "remoe-1-1", "cgroup.subtree_control")).toBe("+cpu");
  });

  it("of version 1 are files of two groups", async () => {
    const limiter = await createLimiter("remoe-1-1", version1());
    expect(limiter.limits).toEqual({ memory: "cgroup v1", cpu: "cgroup v1" });
    const confinement = limiter.confine("experts.1", 100);
    const group = join("own", "remoe-1-1", "experts.1");
    confinement.throttle(0.25);
    expect(content("memory", group, "memory.limit_in_bytes")).toBe("104857600");
    expect(content("cpu", group, "cpu.cfs_period_us")).toBe("20000");
    expect(content("cpu", group, "cpu.cfs_quota_us")).toBe("5000");
    expect(confinement.processLists).toHaveLength(2);
  });

  it("leave a very small share of the processor", async () => {
    const limiter = await createLimiter("remoe-1-1", version2());
    limiter.confine("experts.1", 100).throttle(0.001);
    expect(content("own", "remoe-1-1", "experts.1", "cpu.max")).toBe("1000 20000");
  });

  it.each([
    [version2, ["own"], "memory.events", "low 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n", "memory.peak"],
    [
      version1,
      ["memory", "own"],
      "memory.oom_control",
      "oom_kill_disable 0\noom_kill 2\n",
      "memory.max_usage_in_bytes",
    ],
  ])("tell that memory ran out, and the peak (case %#)", async (facts, own, eventFile, events, peakFile) => {
    const confinement = (await createLimiter("remoe-1-1", facts())).confine("experts.1", 100);
    expect([confinement.ranOutOfMemory(), confinement.memoryPeakMb()]).toEqual([false, null]);
    writeFileSync(join(folder, ...own, "remoe-1-1", "experts.1", eventFile), events);
    writeFileSync(join(folder, ...own, "remoe-1-1", "experts.1", peakFile), "104857600\n");
    expect([confinement.ranOutOfMemory(), confinement.memoryPeakMb()]).toEqual([true, 100]);
  });
});

describe("without control groups", () => {
  it("memory is held by a resource limit", async () => {
    const limiter = await createLimiter("remoe-1-1", { mountinfo: "", membership: "" });
    expect(limiter.limits).toEqual({ memory: "rlimit", cpu: "none" });
    expect(limiter.confine("experts.1", 100)).toMatchObject({ dataLimitMb: 100, processLists: [] });
  });

  it("the same where this process may not make groups", async () => {
    const facts = version2();
    rmSync(join(folder, "own"), { recursive: true });
    writeFileSync(join(folder, "own"), "not a folder");
    expect((await createLimiter("remoe-1-1", facts)).limits).toEqual({ memory: "rlimit", cpu: "none" });
  });

  it("nothing is held on systems that have neither", async () => {
    const limiter = await createLimiter("remoe-1-1", null);
    expect(limiter.limits).toEqual({ memory: "none", cpu: "none" });
    expect(limiter.confine("experts.1", 100).dataLimitMb).toBeNull();
  });
});
